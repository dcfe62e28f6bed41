// The class tables of the official code, as a data file: names and their order are part of the protocol.
import table from "./labels.json";

interface LabelTable {
  /** Class names; a label's number is its place in the list. */
  readonly bold: readonly string[];
  readonly moviegraphs: readonly string[];
  readonly emotic: readonly string[];
  readonly meld_emotion: readonly string[];
  readonly meld_sentiment: readonly string[];
  /** Columns of BoLD's annotation files, which have no header. */
  readonly bold_columns: readonly string[];
  /** Raw MovieGraphs attributes by class: how the official labels were made. */
  readonly moviegraphs_attribute_groups: Readonly<Record<string, readonly string[]>>;
  /** Classes of the model that scored the captions. */
  readonly sentiment_model: readonly string[];
  /** Films that BoLD shows too, which the training index leaves out. */
  readonly bold_duplicate_youtube_ids: readonly string[];
}

export const labels: LabelTable = table;
