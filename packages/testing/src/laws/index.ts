/**
 * The laws of cancellation for authors of adapters: generated programs, run on an adapter, cancelled at their steps and
 * checked against the laws. Needs vitest and fast-check.
 *
 * @since 0.1.0
 */
export * as Adapter from "./Adapter.ts"
export * as Arbitrary from "./Arbitrary.ts"
export * as Interpreter from "./Interpreter.ts"
export * as Law from "./Law.ts"
export * as LawCase from "./LawCase.ts"
export * as Laws from "./Laws.ts"
export * as Model from "./Model.ts"
export * as Outcome from "./Outcome.ts"
export * as Program from "./Program.ts"
export * as Scenario from "./Scenario.ts"
export * as Search from "./Search.ts"
export * as Subject from "./Subject.ts"
export * as Trace from "./Trace.ts"
export * as World from "./World.ts"
