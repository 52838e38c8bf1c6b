/**
 * The laws of leases and their releases on fibers. Each law runs on generated programs, which are cancelled at every
 * step or at a sample of the steps.
 */
import * as Adapter from "@quiesce/testing/laws/Adapter"
import * as Laws from "@quiesce/testing/laws/Laws"

Laws.suite(Adapter.fibers, {
  only: [
    "release-once",
    "no-acquire-no-release",
    "acquire-atomic",
    "lifo",
    "finalizer-isolation",
    "finalizer-shield",
    "bounded-cleanup",
    "settle-before-release"
  ]
})
