/**
 * The laws of cancellation by name, in words.
 *
 * @since 0.1.0
 */

/**
 * The statement of each law.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const statements = {
  "release-once": "each acquired resource is released exactly once",
  "no-acquire-no-release": "a resource whose acquire failed or never began is not released",
  "acquire-atomic": "no cancel comes between the success of an acquire and the registration of its release",
  lifo: "of two leases of a scope, the later one is released first",
  "finalizer-isolation":
    "a release that fails or hangs keeps no other release from running, and its failure is reported",
  "finalizer-shield": "a cancel during a release neither cuts the release nor starts it again",
  "bounded-cleanup": "a release with a limit is cut at that limit, shielded or not",
  "interrupt-idempotent": "many interrupts of a thread do the same as one",
  "interrupt-awaits": "an interrupt that waits returns after the last release",
  "all-interruptors-wait": "each interrupt of a thread waits for the same exit, also while another interrupt runs",
  "late-interrupt-noop": "an interrupt of an ended thread changes nothing",
  "join-pure": "a join, with or without a limit, changes nothing in the joined thread",
  "join-stable": "all joins of a thread give the same exit",
  "no-orphan": "no thread lives on in a closed scope or below an ended thread",
  "late-fork": "a thread that is forked into a cancelled or closed scope does not start",
  "downward-only": "the cancel of a thread reaches the threads below it and no others",
  "fail-fast-origin": "a group that fails fast fails with the first error, not with the cancels that followed",
  "level-triggered": "a cancelled thread passes no checkpoint outside its masks",
  "mask-pends": "a cancel under a mask takes effect at the end of the mask",
  "did-not-happen": "a cancelled send, take, lock or raise leaves everything as it was",
  "first-reason": "the first reason of a cancel never changes",
  "reason-everywhere": "releases, signals, exits and threads below get that reason",
  "deadline-min": "of nested deadlines the earliest counts, and its work fails with DeadlineExceeded",
  "ladder-monotone": "rungs are climbed upwards, each once, and each after the grace of the rung before",
  "kill-is-visible":
    "the exit and the locks of a killed or abandoned thread say so, and the exit names the lost leases",
  "unwind-precise": "an unwind ends its own section: no shielded code, no other task, and not the next section",
  "no-signal-leak": "a cancel that comes too late for its task does not reach the next task in the same place",
  "listener-clean": "no listener, timer or task is left after the end of all threads",
  "exit-unique": "a thread ends once, with one exit",
  "raise-exactly-one": "a raised error reaches one region of its thread, or is refused",
  "settle-before-release":
    "an aborted promise settles or passes its limit, and an abandoned thread's tree is interrupted, before its leases are released",
  "crash-contained": "a crash ends the threads of the crashed worker and no others",
  "report-true": "a report says what happened, and when"
} as const

/**
 * The name of a law.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof statements

/**
 * The names of all laws.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
// The keys of the record are the names.
export const names: ReadonlyArray<Name> = Object.keys(statements) as Array<Name>
