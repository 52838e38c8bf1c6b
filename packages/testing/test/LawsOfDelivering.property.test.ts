/**
 * The laws of reasons, raised errors and reports on fibers. Each law runs on generated programs, which are cancelled at
 * every step or at a sample of the steps.
 */
import * as Adapter from "@quiesce/testing/laws/Adapter"
import * as Laws from "@quiesce/testing/laws/Laws"

Laws.suite(Adapter.fibers, {
  only: [
    "did-not-happen",
    "first-reason",
    "reason-everywhere",
    "deadline-min",
    "ladder-monotone",
    "kill-is-visible",
    "listener-clean",
    "raise-exactly-one",
    "unwind-precise",
    "report-true"
  ]
})
