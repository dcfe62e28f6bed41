// What each emotion of the stage sounds like, in words of its captions: the texts of its classes in zero-shot recognition.
import type { Emotion } from "./emotions.ts";

export const emotionTexts: Readonly<Record<Emotion, readonly string[]>> = {
  anger: ["Damn it! I am so angry!", "I am furious.", "How dare you! This is an outrage!"],
  disgust: ["Yuck! That smells awful!", "Ugh! You are disgusting!", "I feel sick."],
  fear: ["I am afraid.", "Help! I am scared!", "I am terrified. We have to hide."],
  joy: ["Hooray! I feel great!", "Wonderful! Let's celebrate!", "I am so glad. What a party!"],
  calm: ["All right. There is no hurry.", "Well, that is fine.", "Take your time. It looks like rain."],
  sadness: ["I am so lonely.", "My heart is broken.", "I feel so empty. I just want to weep."],
  surprise: ["Wow! That is incredible!", "What! I never expected that!", "Really? It is unbelievable?"],
  affection: ["I love you.", "My love, you are so dear to me.", "Darling, I adore you."],
  pride: ["I am proud.", "I am the best! I deserve this!", "Victory! I am the champion!"],
};
