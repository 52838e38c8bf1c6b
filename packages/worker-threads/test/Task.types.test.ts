/** The types of calls of plain functions, derived from the types of their modules. The compiler checks this file. */
import { Task } from "@quiesce/worker-threads"
import { expect, expectTypeOf, it } from "vitest"

type Module<F> = { readonly default: F }
type Run<F extends (input: never, context: never) => unknown> = Task.TaskPool<Module<F>>["run"]

it("infers the input, the output and the progress of a function", () => {
  type Resize = Module<(image: { readonly width: number }, context: Task.TaskContext<number>) => Promise<Uint8Array>>
  expectTypeOf<Task.Input<Resize>>().toEqualTypeOf<{ readonly width: number }>()
  expectTypeOf<Task.Output<Resize>>().toEqualTypeOf<Uint8Array>()
  expectTypeOf<Task.Progress<Resize>>().toEqualTypeOf<number>()
  type Plain = Module<(n: number) => string>
  expectTypeOf<Task.Output<Plain>>().toEqualTypeOf<string>()
  expectTypeOf<Task.Progress<Plain>>().toEqualTypeOf<never>()
  type OfThisPackage = typeof import("./fixtures/plain-pool.ts")
  expectTypeOf<Task.Progress<OfThisPackage>>().toEqualTypeOf<number>()
  expectTypeOf<Task.Output<OfThisPackage>>().toEqualTypeOf<number>()
  expect(Task.createTaskPool).toBeTypeOf("function")
})

it("makes an input optional only if it may be undefined", () => {
  expectTypeOf<Run<() => number>>().toBeCallableWith()
  expectTypeOf<Run<(name?: string) => number>>().toBeCallableWith()
  expectTypeOf<Run<(name: string | undefined) => number>>().toBeCallableWith()
  expectTypeOf<Run<(name: string) => number>>().toBeCallableWith("a")
  expectTypeOf<Run<(name: string, context: Task.TaskContext) => number>>().toBeCallableWith("a", { name: "a" })
  expectTypeOf<Parameters<Run<(name: string) => number>>["length"]>().toEqualTypeOf<1 | 2>()
})

const calls = (
  pool: Task.TaskPool<Module<(name: string, context: Task.TaskContext<number>) => boolean>>,
  url: URL
): void => {
  // @ts-expect-error an input is asked for
  void pool.run()
  // @ts-expect-error of its type
  void pool.run(1)
  void pool.run("a", { onProgress: (n) => n.toFixed(1) })
  // @ts-expect-error a report is a number
  void pool.run("a", { onProgress: (text: string) => text })
  // @ts-expect-error the type of the module is not named
  void Task.runTask(url, "a")
  // @ts-expect-error a module without a function
  void Task.runTask<{ readonly other: 1 }>(url, "a")
}

it("refuses other calls, and calls without the type of the module", () => {
  expect(calls).toBeTypeOf("function")
})
