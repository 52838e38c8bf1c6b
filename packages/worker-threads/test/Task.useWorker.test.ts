import { expect, it } from "vitest"
import { Task } from "@quiesce/worker-threads"

const identity = new URL("./fixtures/identity.ts", import.meta.url)

// The bundles of `pnpm packages` check that such a worker works without the package's own file.
it("runs the functions in the given worker, which imports the exported entry", async () => {
  Task.useWorker(new URL("./fixtures/named-task.worker.ts", import.meta.url))
  expect(await Task.runTask<typeof import("./fixtures/identity.ts")>(identity, "hello")).toEqual({
    input: "hello",
    worker: "named"
  })
})
