// The word tokenizer of small data sets lies beside CLIP's.
export { vocabularyOf, wordsFile, WordTokenizer, wordsOf } from "../data/tokenizer/words.ts";
