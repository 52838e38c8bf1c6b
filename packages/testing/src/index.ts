/**
 * Programs as data, run step by step in virtual time, cut at every step, and checked against the laws of cancellation.
 *
 * @since 0.1.0
 */
export * as Arbitrary from "./Arbitrary.ts"
export * as FakeAdapter from "./FakeAdapter.ts"
export * as FaultyWorker from "./FaultyWorker.ts"
export * as Interpreter from "./Interpreter.ts"
export * as Interleaving from "./Interleaving.ts"
export * as Interruption from "./Interruption.ts"
export * as Journal from "./Journal.ts"
export * as Laws from "./Laws.ts"
export * as LeakCheck from "./LeakCheck.ts"
export * as Leaks from "./Leaks.ts"
export * as LeftOver from "./LeftOver.ts"
export * as Program from "./Program.ts"
export * as Scenario from "./Scenario.ts"
export * as Simulation from "./Simulation.ts"
export * as StepScheduler from "./StepScheduler.ts"
export * as Subject from "./Subject.ts"
export * as TestingError from "./TestingError.ts"
export * as Trace from "./Trace.ts"
export * as VirtualClock from "./VirtualClock.ts"
