// How each emotion looks: posture, face and motion as a function of time. The only place where emotion becomes shape;
// colours and identities are elsewhere, so no emotion can be read from them.

import type { Emotion } from "./emotions.ts";
import type { Point } from "./raster.ts";

/** The shape of a mouth; each is drawn once in person.ts. */
export type Mouth = "line" | "smile" | "grin" | "frown" | "round" | "snarl" | "wavy" | "tongue" | "smirk";

/** The shape of both eyes. */
export type Eyes = "open" | "wide" | "narrow" | "closed" | "happy" | "squint";

/**
 * A posture in pixels for a person of scale 1 who looks at us; x to our right, y down. Elbow and hand are measured from
 * the middle of the shoulders, feet and the whole body from the mark.
 */
export interface Pose {
  /** Shift of the whole body. */
  readonly shift: Point;
  /** How far hips and all above sink, bending the knees. */
  readonly crouch: number;
  /** Lean of the trunk about the hips, radians, positive to our right. */
  readonly lean: number;
  /** Shift of the head from upright. */
  readonly head: Point;
  /** Tilt of the head, radians. */
  readonly tilt: number;
  /** Where in the head the face sits: bowed is down, haughty is up, averted is sideways. */
  readonly gaze: Point;
  /** [elbow, hand] of the left and the right arm as we see them. */
  readonly arms: readonly [readonly [Point, Point], readonly [Point, Point]];
  /** Whether hands are in front of the face. */
  readonly handsInFront: boolean;
  /** x of left and right foot. */
  readonly feet: readonly [number, number];
  readonly face: {
    readonly mouth: Mouth;
    /** Size of the mouth, 1 is 8 pixels wide. */
    readonly size: number;
    readonly eyes: Eyes;
    /** Inner ends of the brows lower (positive, angry) or higher (negative, sad), pixels. */
    readonly frown: number;
    /** Brows lift, pixels. */
    readonly lift: number;
  };
}

/** What a posture depends on besides the emotion. */
export interface Moment {
  /** Seconds since the clip began. */
  readonly time: number;
  /** 0..1; amplifies gestures and faces. */
  readonly intensity: number;
  /** 0..1, where in its rhythm this person began. */
  readonly phase: number;
}

/** The posture of someone in this emotion at this moment, facing one fixed way (person.ts mirrors it). */
export function poseOf(emotion: Emotion, moment: Moment): Pose {
  return poses[emotion](moment.intensity, (hertz, offset = 0) => wave(moment, hertz, offset));
}

/** Sine of a rhythm with `hertz` beats a second, `offset` in beats. */
type Beat = (hertz: number, offset?: number) => number;

function wave({ time, phase }: Moment, hertz: number, offset: number): number {
  return Math.sin(2 * Math.PI * (hertz * time + phase + offset));
}

const poses: Record<Emotion, (intensity: number, beat: Beat) => Pose> = {
  // Both arms thrown up and waving, jumping, a wide grin.
  joy: (k, beat) => {
    const jump = Math.max(0, beat(1.4)) * (2 + 5 * k);
    const wag = beat(2.8) * (0.6 + 0.9 * k);
    return {
      shift: [0, -jump],
      crouch: 0,
      lean: 0.03 * beat(1.4, 0.25),
      head: [0, 0],
      tilt: 0.08 * beat(1.4, 0.25),
      gaze: [0, -0.5],
      arms: [
        [
          [-8.8, -12],
          [-7 + wag, -25 - 5 * k],
        ],
        [
          [8.8, -12],
          [7 - wag, -25 - 5 * k],
        ],
      ],
      handsInFront: false,
      feet: [-5 - 2 * k, 5 + 2 * k],
      face: { mouth: "grin", size: 1 + 0.25 * k, eyes: "happy", frown: 0, lift: 1.5 },
    };
  },

  // One fist shaken in the air, the other clenched at the hip, brows in a steep V, teeth.
  anger: (k, beat) => {
    const shake = beat(3.1) * (1.2 + 2.2 * k);
    return {
      shift: [0.4 * beat(3.1, 0.25) * k - 1, 0],
      crouch: 1,
      lean: 0.05 + 0.02 * beat(1.5),
      head: [0.5, 2.5],
      tilt: 0.06 * beat(3.1),
      gaze: [0.5, 1],
      arms: [
        [
          [-8.2, 7],
          [-7.4, 17],
        ],
        [
          [8, 0],
          [6.8, -22 - 4 * k + shake],
        ],
      ],
      handsInFront: true,
      feet: [-7, 8],
      face: { mouth: "snarl", size: 0.95 + 0.25 * k, eyes: "narrow", frown: 3 + k, lift: 0 },
    };
  },

  // Crouched and trembling, both hands before the mouth, eyes wide.
  fear: (k, beat) => {
    const tremble = beat(3.7) * (0.5 + 0.8 * k);
    return {
      shift: [0.5 + 0.7 * tremble, 0],
      crouch: 8 + 4 * k,
      lean: -0.05,
      head: [0, 4],
      tilt: 0.05 * beat(3.3),
      gaze: [0, -1],
      arms: [
        [
          [-8, 7],
          [-3 + 0.6 * tremble, -4],
        ],
        [
          [8, 7],
          [3 + 0.6 * tremble, -4],
        ],
      ],
      handsInFront: true,
      feet: [-3, 3],
      face: { mouth: "wavy", size: 0.9, eyes: "wide", frown: -2.2 - k, lift: 2 },
    };
  },

  // Bowed head, fallen shoulders, one hand at the eyes, the other arm hanging; slow.
  sadness: (k, beat) => {
    const sob = beat(0.9) * (0.6 + 0.9 * k);
    return {
      shift: [-3.4, 0],
      crouch: 2 + 2 * k,
      lean: 0.09 + 0.03 * k,
      head: [1, 6 + 1.5 * k + 0.6 * sob],
      tilt: 0.3 + 0.15 * k,
      gaze: [0.8, 3.5],
      arms: [
        [
          [-6.5, 9],
          [-5.5, 21],
        ],
        [
          [7, 9],
          [4.5, -5 + sob],
        ],
      ],
      handsInFront: true,
      feet: [-3.5, 3.5],
      face: { mouth: "frown", size: 1, eyes: "closed", frown: -3, lift: 0 },
    };
  },

  // Both hands clapped on the head, elbows out, mouth a big O; a start backwards again and again.
  surprise: (k, beat) => {
    const start = Math.max(0, beat(1.1)) * (1 + 2.5 * k);
    return {
      shift: [1.8, -0.8 * start],
      crouch: 0,
      lean: -0.05 - 0.012 * start,
      head: [0, -0.5 * start],
      tilt: -0.06,
      gaze: [0, -1],
      arms: [
        [
          [-8.8, -9],
          [-4.2, -22 - 0.5 * start],
        ],
        [
          [8.8, -9],
          [4.2, -22 - 0.5 * start],
        ],
      ],
      handsInFront: true,
      feet: [-4, 5],
      face: { mouth: "round", size: 1 + 0.35 * k, eyes: "wide", frown: 0, lift: 3.5 },
    };
  },

  // Turned and leaning away, one palm pushed out to the other side, tongue out.
  disgust: (k, beat) => {
    const push = beat(1.3) * (0.8 + 1.2 * k);
    return {
      shift: [-3.6, 0],
      crouch: 1,
      lean: 0.13 + 0.03 * k,
      head: [0.2, 0.5],
      tilt: 0.2 + 0.1 * k + 0.08 * beat(1.3, 0.25),
      gaze: [2.6, 0.5],
      arms: [
        [
          [-8, 4],
          [-8.6 - 0.4 * push, -7 - 0.6 * push],
        ],
        [
          [6.5, 8],
          [-3, 10 + push],
        ],
      ],
      handsInFront: true,
      feet: [-2, 6],
      face: { mouth: "tongue", size: 0.9 + 0.3 * k, eyes: "squint", frown: 1.5, lift: 0 },
    };
  },

  // Standing straight, arms hanging at the sides, a level face; hardly moving.
  calm: (k, beat) => ({
    shift: [0.4 * beat(0.3), 0],
    crouch: 0,
    lean: 0.015 * beat(0.3) * (1 + k),
    head: [0, 0.4 * beat(0.4)],
    tilt: 0.03 * beat(0.3, 0.25) * (1 + k),
    gaze: [0, 0],
    arms: [
      [
        [-8, 10],
        [-7.8, 21],
      ],
      [
        [8, 10],
        [7.8, 21],
      ],
    ],
    handsInFront: false,
    feet: [-3.5, 3.5],
    face: { mouth: "line", size: 0.7 + 0.3 * k, eyes: "open", frown: 0, lift: 0 },
  }),

  // Both hands laid on the heart, head to one side, swaying, a soft smile with closed eyes.
  affection: (k, beat) => {
    const sway = beat(0.6);
    return {
      shift: [0.5 + (0.3 + 0.3 * k) * sway, 0],
      crouch: 0,
      lean: 0.03 * sway * (1 + k),
      head: [-0.4 - 0.3 * k, 1],
      tilt: -0.24 - 0.12 * k + 0.05 * sway,
      gaze: [0, 0.8],
      arms: [
        [
          [-9, 7],
          [-1.2, 4 + 0.5 * beat(1.2)],
        ],
        [
          [9, 7],
          [1.6, 5.5 + 0.5 * beat(1.2)],
        ],
      ],
      handsInFront: false,
      feet: [-2.5, 2.5],
      face: { mouth: "smile", size: 1 + 0.15 * k, eyes: "closed", frown: -1.2, lift: 1.5 },
    };
  },

  // Hands on the hips, elbows wide, feet apart, chin up, half a smile; nodding slowly.
  pride: (k, beat) => ({
    shift: [0.6, -0.5 * k],
    crouch: 0,
    lean: -0.06 - 0.02 * beat(0.5),
    head: [0.5, -1 - 0.6 * k + 0.6 * beat(0.8) * k],
    tilt: 0.06,
    gaze: [0, -2.6 - 0.6 * k],
    arms: [
      [
        [-9.6, 9],
        [-5.5, 17],
      ],
      [
        [9.6, 9],
        [5.5, 17],
      ],
    ],
    handsInFront: false,
    feet: [-6.5 - k, 6.5 + k],
    face: { mouth: "smirk", size: 1 + 0.15 * k, eyes: "open", frown: 0.8, lift: 1 },
  }),
};
