/**
 * The laws of how threads end on fibers. Each law runs on generated programs, which are cancelled at every step or at a
 * sample of the steps.
 */
import * as Adapter from "@quiesce/testing/laws/Adapter"
import * as Laws from "@quiesce/testing/laws/Laws"

Laws.suite(Adapter.fibers, {
  only: [
    "interrupt-idempotent",
    "interrupt-awaits",
    "all-interruptors-wait",
    "late-interrupt-noop",
    "join-pure",
    "join-stable",
    "exit-unique"
  ]
})
