/**
 * The laws of the tree of threads and of masks on fibers. Each law runs on generated programs, which are cancelled at
 * every step or at a sample of the steps.
 */
import * as Adapter from "@quiesce/testing/laws/Adapter"
import * as Laws from "@quiesce/testing/laws/Laws"

Laws.suite(Adapter.fibers, {
  only: ["no-orphan", "late-fork", "downward-only", "fail-fast-origin", "level-triggered", "mask-pends"]
})
