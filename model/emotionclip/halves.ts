// Which parameters of EmotionCLIP are of half precision where a step is of mixed precision: those of products.

const products =
  /\.(in_proj_weight|in_proj_bias|(out_proj|c_fc|c_proj|linear1|linear2)\.(weight|bias)|conv1\.weight|proj)$/;
const tables =
  /\.(text_projection|token_embedding\.weight|frame_position_embedding\.weight)$|^backbone\.positional_embedding$/;

/**
 * Matrices and biases of products, and the tables that text and frames begin with. Gains and biases of norms, what is added to the
 * patches, SAAM's shares, the depth-wise convolution over time and the logit scale stay f32: their ops take them so.
 */
export const halvesOf = (name: string): boolean => products.test(name) || tables.test(name);
