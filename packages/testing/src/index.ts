/**
 * A program under test: cancelled at every step, run in many orders, looked over for leaks; and fake threads and faulty
 * workers to test with. None of it needs vitest or fast-check; `@quiesce/testing/Matchers` is for vitest.
 *
 * @since 0.1.0
 */
export * as FakeAdapter from "./FakeAdapter.ts"
export * as FaultyWorker from "./FaultyWorker.ts"
export * as Interleaving from "./Interleaving.ts"
export * as Interruption from "./Interruption.ts"
export * as Journal from "./Journal.ts"
export * as Leaks from "./Leaks.ts"
export * as LeftOver from "./LeftOver.ts"
export * as Simulation from "./Simulation.ts"
export * as StepScheduler from "./StepScheduler.ts"
export * as TestingError from "./TestingError.ts"
export * as VirtualClock from "./VirtualClock.ts"
