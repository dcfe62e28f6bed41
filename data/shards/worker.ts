// A thread that shows clips. Bundled as an entry of its own, `loader-worker`; never touches a GPU.
import { workerData } from "node:worker_threads";
import type { View } from "../pixels/view.ts";
import { buffersOf, Shower, type SeenClip, type Showing } from "../showing.ts";
import { lendHand } from "../threads/pool.ts";

lendHand<Showing, SeenClip>(new Shower(workerData as View), buffersOf);
