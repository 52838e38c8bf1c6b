/** Fills its heap, if that is small. */
import { resourceLimits } from "node:worker_threads"

const mostMegabytes = 256
const { maxOldGenerationSizeMb: limit = Infinity } = resourceLimits
if (limit > mostMegabytes) {
  throw new Error(
    `The heap of this worker may have ${limit} MB, which is too much to fill. Start it with a small one, as with { resourceLimits: { maxOldGenerationSizeMb: 16 } }.`
  )
}

const kept: Array<Array<number>> = []
for (;;) kept.push(Array.from({ length: 1000 }, () => Math.random()))
