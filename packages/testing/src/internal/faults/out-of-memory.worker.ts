/**
 * Fills its heap, if that is small. With a young generation as large as usual Node may end the whole process, as what
 * survives a collection may come to more than Node gives a worker to end in.
 */
import { resourceLimits } from "node:worker_threads"

const mostOld = 256
const mostYoung = 8
const { maxOldGenerationSizeMb: old = Infinity, maxYoungGenerationSizeMb: young = Infinity } = resourceLimits
if (old > mostOld || young > mostYoung) {
  throw new Error(
    `The heap of this worker may have ${old} MB, of which ${young} MB are young: too much to fill. Start it with a small one, as with { resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 } }.`
  )
}

const kept: Array<Array<number>> = []
for (;;) kept.push(Array.from({ length: 1000 }, () => Math.random()))
