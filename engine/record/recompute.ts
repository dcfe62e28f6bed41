// Memory for arithmetic: a part of a computation whose results are not kept for the gradient, but made again when it reads them.
import { takes } from "../takes.ts";
import { inBlock } from "./blocks.ts";
import { type Returned, tensorsOf } from "./compute.ts";
import { currentScope } from "./scope.ts";

/**
 * What `body` returns: a tensor, a list of them, or an object of them. What it computes on the way is not kept for the gradients of a
 * tape; when they read it, the launches it came from are recorded once more, with the same draws and to the same bits, so gradients are
 * those without `recompute` (Chen et al. 2016). `body` runs once. It may read any tensor and stand in another one.
 *
 *     for (const block of blocks) x = recompute(() => block.forward(x));
 *
 * Errors: ShapeError from `gradients` where memory that is read once more has changed since.
 */
export function recompute<const R extends Returned>(body: () => R): R {
  takes("recompute(body: function)", arguments);
  if (!currentScope("recompute").remembers) return checked(body());
  return inBlock(({ outputs }) => {
    const result = body();
    for (const { value } of tensorsOf("recompute", result)) outputs.add(value);
    return result;
  });
}

function checked<R extends Returned>(result: R): R {
  tensorsOf("recompute", result);
  return result;
}
