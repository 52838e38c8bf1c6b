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
  "release-once": "what was acquired is released just once",
  "no-acquire-no-release": "what was not acquired, because that failed or never began, is not released",
  "acquire-atomic": "no cancel comes between the success of an acquire and the registration of its release",
  lifo: "of two leases of a scope the one that was acquired later is released earlier",
  "finalizer-isolation": "a release that fails or hangs keeps no other from running, and its failure is reported",
  "finalizer-shield": "a cancel while a release runs neither cuts it nor starts it again",
  "bounded-cleanup": "a release with a limit is cut at that limit, shielded or not",
  "interrupt-idempotent": "many interrupts do what one does",
  "interrupt-awaits": "an interrupt that waits comes back after the last release",
  "all-interruptors-wait": "who interrupts what is being interrupted waits as well, for the same exit",
  "late-interrupt-noop": "an interrupt of what has ended changes nothing",
  "join-pure": "to join a thread, with or without a limit, does nothing to it",
  "join-stable": "whoever joins sees the same exit",
  "no-orphan": "nothing lives on in a scope that has closed, nor below a thread that has ended",
  "late-fork": "what is forked into a scope that is cancelled or closed does not start",
  "downward-only": "the cancel of a thread reaches those below it and no others",
  "fail-fast-origin": "a group that fails fast fails with what went wrong, not with the cancels that followed",
  "level-triggered": "once cancelled, a thread passes no checkpoint outside its masks",
  "mask-pends": "a cancel under a mask waits for the end of the mask and is not forgotten",
  "did-not-happen": "a send, take, lock or raise that was cancelled left everything as it was",
  "first-reason": "the reason that came first stays",
  "reason-everywhere": "releases, signals, exits and threads below see that reason",
  "deadline-min": "of nested deadlines the earliest counts, and its work fails with DeadlineExceeded",
  "ladder-monotone": "rungs are climbed upwards, each once, each after the grace of the one before",
  "kill-is-visible":
    "the exit of a thread that was killed or given up says so, and what was lost; its locks say it too",
  "unwind-precise":
    "an unwind ends the section that it is meant for: no shielded code, no other task, not the next one",
  "no-signal-leak": "a cancel that comes too late for its task is not seen by the next one in its place",
  "listener-clean": "no listener, timer or task is left when all has ended",
  "exit-unique": "a thread ends once, with one exit",
  "raise-exactly-one": "a raised error reaches one region of the thread that it is meant for, or none and is refused",
  "settle-before-release": "what an aborted promise uses outlives it, or its limit",
  "crash-contained": "a crash ends what ran on the worker that crashed, and nothing else",
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
