// What people on the stage say: a grammar of lines as in dialogue. Its words are a closed vocabulary.

import type { Random } from "../philox.ts";
import { type Emotion, emotions } from "./emotions.ts";
import { scenes } from "./scene.ts";
import { splits } from "./split.ts";

/** A line and what its words express, which is the subject's emotion unless it is misleading. */
export interface Caption {
  readonly text: string;
  readonly emotion: Emotion;
  readonly misleading: boolean;
}

/** Share of lines whose words are neutral or of another emotion than the speaker's. */
const misleadingShare = 0.17;

/** A line is opener (weak or strong), core and closer; cores have slots in braces. */
interface Lines {
  readonly weak: readonly string[];
  readonly strong: readonly string[];
  readonly cores: readonly string[];
  readonly closers: readonly string[];
  /** End of the core, weak and strong. */
  readonly ends: readonly [string, string];
}

/** Few fillers: hundreds of forms in all, each said by many people, so that a caption never gives its clip away. */
const slots: Record<string, readonly string[]> = {
  who: ["mother", "Anna", "the captain"],
  thing: ["letter", "ring", "book"],
  time: ["today", "again"],
};

const grammar: Record<Emotion, Lines> = {
  anger: {
    weak: ["Listen", "Enough", "Excuse me"],
    strong: ["Damn it", "How dare you", "Shut up", "Get out"],
    cores: [
      "I am so angry with {who}",
      "you lied to me {time}",
      "stop shouting at {who}",
      "I will make {who} pay for this {thing}",
      "you had no right to take my {thing}",
      "don't you ever touch my {thing} {time}",
      "I am furious about that {thing}",
      "{who} cheated me {time}",
      "I hate you for what you did to {who}",
      "you ruined my {thing} on purpose",
      "I have had it with {who}",
      "nobody insults {who} like that",
    ],
    closers: ["I mean it", "You will regret this", "I am done with you", "This is an outrage"],
    ends: [".", "!"],
  },
  disgust: {
    weak: ["Eww", "No thanks", "Oh please"],
    strong: ["Yuck", "That is gross", "Ugh", "How revolting"],
    cores: [
      "that {thing} smells awful",
      "keep that filthy {thing} away from me",
      "there is something rotten in the {thing}",
      "I can't stand the stink of that {thing}",
      "{who} makes me sick {time}",
      "I would never put that {thing} in my mouth",
      "there is slime all over my {thing}",
      "the {thing} tastes like mud",
      "{who} spat on the {thing}",
      "a rat crawled out of the {thing}",
      "that is the nastiest {thing} I ever smelled",
      "{who} is a disgusting person",
    ],
    closers: ["I feel sick", "Take it away", "I might throw up", "It is vile"],
    ends: [".", "!"],
  },
  fear: {
    weak: ["Wait", "Did you hear that", "Careful"],
    strong: ["Help", "Please don't hurt me", "Run", "Oh no"],
    cores: [
      "I am afraid of {who}",
      "someone is following {who} {time}",
      "I am scared to open the {thing}",
      "there is something in the dark",
      "I heard footsteps behind {who}",
      "they are coming for {who} {time}",
      "hide the {thing} before they find us",
      "don't leave me alone {time}",
      "I saw a ghost near the {thing}",
      "my hands shake when I see that {thing}",
      "we are in danger {time}",
      "what if {who} finds out",
    ],
    closers: ["I am terrified", "We have to hide", "Don't make a sound", "I can't breathe"],
    ends: [".", "!"],
  },
  joy: {
    weak: ["Look", "Guess what", "Hey"],
    strong: ["Hooray", "Yes yes", "Wonderful", "This is fantastic"],
    cores: [
      "this is the happiest day of my life",
      "we won the {thing} {time}",
      "{who} is coming to the party {time}",
      "let's dance {time}",
      "I am so glad to see {who}",
      "I can't stop laughing about {who}",
      "we are going on holiday with {who}",
      "what a lovely {thing}",
      "everybody sing with {who}",
      "I got the {thing} I wanted",
      "it is so much fun with {who}",
      "{who} said yes {time}",
    ],
    closers: ["I feel great", "Let's celebrate", "I could jump for joy", "What a party"],
    ends: [".", "!"],
  },
  calm: {
    weak: ["Well", "So", "All right"],
    strong: ["I see", "As I said", "By the way"],
    cores: [
      "the {thing} is on the table",
      "{who} will be back at noon",
      "please hand me the {thing}",
      "I will read the {thing} {time}",
      "{who} went to buy some bread",
      "we can talk about the {thing} later",
      "it is about five minutes from here",
      "I put the {thing} in the drawer",
      "let's sit down and wait for {who}",
      "{who} usually takes the bus",
      "the meeting with {who} is at nine",
      "there are two copies of the {thing}",
    ],
    closers: ["There is no hurry", "Take your time", "That is fine", "It looks like rain"],
    ends: [".", "."],
  },
  sadness: {
    weak: ["I am sorry", "Oh well", "It hurts"],
    strong: ["I can't go on", "Oh God", "It is over", "Leave me"],
    cores: [
      "I miss {who} so much",
      "{who} died {time}",
      "I lost the {thing} {who} gave me",
      "I cried all night about {who}",
      "nothing will ever be the same without {who}",
      "{who} left me {time}",
      "I am so lonely {time}",
      "my heart is broken",
      "all that remains is this {thing}",
      "I will never see {who} anymore",
      "I wish {who} were still alive",
      "we buried {who} {time}",
    ],
    closers: ["I feel so empty", "There is no hope", "I just want to weep", "I failed"],
    ends: [".", "."],
  },
  surprise: {
    weak: ["Really", "Huh", "Is that so"],
    strong: ["Wow", "What", "Oh my goodness", "No way"],
    cores: [
      "I never expected {who} {time}",
      "where did that {thing} come from",
      "you are {who}",
      "I can't believe that {thing}",
      "how did {who} get in here",
      "since when does {who} have a {thing}",
      "the {thing} just appeared out of nowhere",
      "suddenly {who} stood at the door",
      "I had no idea about {who}",
      "the {thing} was a fake all along",
      "{who} is married",
      "who would have thought that of {who}",
    ],
    closers: ["I am speechless", "That is incredible", "It is unbelievable", "Are you serious"],
    ends: ["?", "!"],
  },
  affection: {
    weak: ["Darling", "My dear", "Sweetheart"],
    strong: ["I love you", "My love", "Come to my arms", "Hold me"],
    cores: [
      "I will always take care of {who}",
      "you are so dear to me {time}",
      "I thought of you all day",
      "you mean the world to {who}",
      "let me hug {who}",
      "I kept your {thing} close to my heart",
      "kiss me {time}",
      "I adore {who}",
      "you have the kindest eyes",
      "I made this {thing} just for you",
      "stay with me {time}",
      "I am fond of {who}",
    ],
    closers: ["You are my treasure", "I cherish you", "We belong together", "You are so sweet"],
    ends: [".", "."],
  },
  pride: {
    weak: ["Of course", "Naturally", "Trust me"],
    strong: ["Behold", "I am the best", "Victory", "As I promised"],
    cores: [
      "I built this {thing} with my own hands",
      "nobody can beat me {time}",
      "I am proud of {who}",
      "{who} could never do that as well",
      "they gave me a medal for the {thing}",
      "I always knew I would succeed",
      "I am the champion {time}",
      "I finished first before {who}",
      "you may admire my {thing}",
      "I can handle {who} myself",
      "my {thing} is a masterpiece",
      "I earned every bit of it",
    ],
    closers: ["I never doubted it", "I deserve this", "Remember my name", "I did it all alone"],
    ends: [".", "!"],
  },
};

/** What someone in this emotion says in a scene with these things to mention. */
export function captionOf(emotion: Emotion, intensity: number, mentions: readonly string[], random: Random): Caption {
  const misleading = random.chance(misleadingShare);
  const spoken = misleading ? mask(emotion, random) : emotion;
  const lines = grammar[spoken];
  const strong = random.chance(0.15 + 0.7 * intensity);
  const end = lines.ends[strong ? 1 : 0];
  const form = random.below(lines.cores.length); // the core decides opener and closer too
  const openers = strong ? lines.strong : lines.weak;
  const parts: string[] = [];
  if (form % 2 === 0) parts.push(`${openers[form % openers.length]}${form % 4 === 0 ? "," : end}`);
  const mention = random.chance(0.1) ? ` ${random.pick(mentions)}` : "";
  parts.push(`${fill(lines.cores[form], random)}${mention}${end}`);
  // Never both, so that a line and its two end marks fit 24 tokens.
  if (!mention && form % 3 === 0) parts.push(`${lines.closers[form % lines.closers.length]}${end}`);
  return { text: sentences(parts.join(" ")), emotion: spoken, misleading };
}

/** The emotion a misleading line shows instead: half of them are neutral, the rest any other. */
function mask(emotion: Emotion, random: Random): Emotion {
  if (emotion !== "calm" && random.chance(0.5)) return "calm";
  return random.pick(emotions.filter((other) => other !== emotion));
}

function fill(template: string, random: Random): string {
  return template.replace(/\{(\w+)\}/g, (_, slot: string) => random.pick(slots[slot]));
}

/** Capitals at the start of sentences, and only there except for names and "I". */
function sentences(text: string): string {
  const lowered = text.replace(/(, )([A-Z])(?=[a-z])/g, (all, comma: string, letter: string, at: number) =>
    isName(text.slice(at + 2)) ? all : comma + letter.toLowerCase(),
  );
  return lowered.replace(/(^|[.!?] )([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase());
}

function isName(text: string): boolean {
  return /^(Anna|Peter)\b/.test(text);
}

/** The tokens of a caption: lower-case words with their apostrophes, and the marks `. , ! ?`. */
export function captionWords(text: string): string[] {
  return text.toLowerCase().match(/[a-z]+(?:'[a-z]+)*|[.,!?]/g) ?? [];
}

/** Every token the grammar can produce, sorted: the closed vocabulary of a word-level tokenizer. */
export const words: readonly string[] = vocabulary();

function vocabulary(): string[] {
  const found = new Set([".", ",", "!", "?"]);
  const add = (pieces: readonly string[]): void => {
    for (const piece of pieces) for (const word of captionWords(piece.replace(/\{\w+\}/g, " "))) found.add(word);
  };
  for (const { weak, strong, cores, closers } of Object.values(grammar)) [weak, strong, cores, closers].forEach(add);
  Object.values(slots).forEach(add);
  for (const split of splits) for (const scene of scenes[split]) add(scene.mentions);
  return [...found].sort();
}
