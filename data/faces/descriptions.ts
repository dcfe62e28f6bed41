// What the classes of expression recognition look like in words: our own, after the cues that EmoCLIP's official descriptions name.

/** A text for each class of the known data sets: the state of mind, and the facial actions that show it. */
export const faceDescriptions: Readonly<Record<string, string>> = {
  anger: "a face of irritation and unrest with a wrinkled forehead, narrowed eyes and tight lips",
  disgust: "a face of repulsion and displeasure with a raised upper lip, a scrunched nose and the mouth turned down",
  fear: "a face of tension and withdrawal with wide eyes, raised brows and the mouth slightly open, tense or frozen",
  happiness:
    "a face of contentment and pleasure with a smile, raised corners of the mouth and crinkles around the eyes",
  neutral: "a face of calm and neutrality with a relaxed mouth and brows that are neither raised nor furrowed",
  sadness: "a face of sadness and sorrow with the mouth turned down, tears or tight eyes, looking withdrawn",
  surprise: "a face of shock and astonishment with wide eyes, raised brows and an open, gasping mouth",
  contempt: "a face of disdain and superiority with a slight smirk and one raised brow",
  anxiety: "a face of worry and apprehension with furrowed brows, a tight mouth and wide, darting eyes",
  helplessness: "a face of defeat and resignation with lowered eyes, the mouth turned down and furrowed brows",
  disappointment: "a face of frustration and disillusionment with a slight frown, lowered brows and a tired look",
};
