/** The messages of the errors of this package, each a function of its own, so that a bundle has those that it needs. */

type Text<Fields> = (fields: Fields) => string

export const invalidReason: Text<{ readonly given: string }> = ({ given }) =>
  `${given} is no CancelReason, so nothing was cancelled. Make one with CancelReason.interrupted({ message: "why" }) or, from any value, with CancelReason.fromUnknown(value).`

export const invalidArgument: Text<{
  readonly operation: string
  readonly given: string
  readonly takes: string
}> = ({ given, operation, takes }) => `${operation} got ${given}, so nothing has happened. It takes ${takes}.`

export const invalidError: Text<{ readonly given: string }> = ({ given }) =>
  `${given} was not raised, because it is no error. Raise an Error, or an instance of the Schema.TaggedError that a Thread.receive in the thread accepts.`

export const invalidDuration: Text<{ readonly option: string; readonly given: string; readonly problem: string }> = ({
  given,
  option,
  problem
}) => `${option} is ${given}: ${problem}. Give a finite time such as "2 seconds".`

export const invalidEscalation: Text<{ readonly problem: string }> = ({ problem }) =>
  `The escalation can't be climbed: ${problem}. Give each rung a grace, as in { stop: "5 seconds", interrupt: "Infinity" }; only the last may be infinite.`

export const invalidRelease: Text<{ readonly lease: string; readonly given: string }> = ({ given, lease }) =>
  `The release of lease "${lease}" returned ${given} and no Effect, so nothing has waited for its end. Wrap an async function in Effect.promise(() => ...), and a plain one in Effect.sync(() => ...).`

export const invalidCapacity: Text<{ readonly given: string }> = ({ given }) =>
  `The capacity of Timeline.record is ${given}. Give a number of events from 1 to 1000000.`

export const mainThread: Text<{ readonly operation: string }> = ({ operation }) =>
  `${operation} was asked of the main thread, which ends only with its process. Outside any spawned thread, Thread.current is the main thread. Spawn the program with Thread.spawn and end that thread.`

export const selfJoin: Text<{ readonly thread: string }> = ({ thread }) =>
  `Thread "${thread}" would wait for its own end for ever. Join it from its parent, or return in it.`

export const releaseTimedOut: Text<{ readonly lease: string; readonly millis: number }> = ({ lease, millis }) =>
  `The release of lease "${lease}" did not end within its limit of ${millis} ms and was given up; the resource may still be held. Find out why the release waits, or raise releaseWithin.`

export const abandoned: Text<{ readonly thread: string; readonly finalizer: string | null }> = ({
  finalizer,
  thread
}) =>
  `Thread "${thread}" outlasted the last rung of its escalation and was abandoned; it may still run${
    finalizer === null ? "" : `, in the release of lease "${finalizer}"`
  }. Give its releases a releaseWithin, or the escalation more time.`

export const invalidSection: Text<{ readonly operation: string; readonly given: string }> = ({ given, operation }) =>
  `The section of ${operation} returned ${given}, which nothing ends. Wait for a promise with Abort.promise((signal) => ...), and run an Effect after the section.`

export const invalidLease: Text<{ readonly option: string; readonly given: string }> = ({ given, option }) =>
  `Lease.acquire's ${option} is ${given}, so nothing was acquired. Give a text as name, an Effect as acquire, and a function that returns an Effect as release.`

export const invalidReceivable: Text<{ readonly given: string }> = ({ given }) =>
  `Thread.receive was given ${given}, which is no Schema of an error, so its effect did not run. Make a plain class with Schema.TaggedError, or give Schema.instanceOf(TheClass).`
