import { expect, it } from "vitest"
import { ModuleUrl } from "@quiesce/worker-threads"

it.each([
  ["./tasks.worker.ts", "file:///app/src/main.ts", "file:///app/src/tasks.worker.ts"],
  ["./tasks.worker.ts", "file:///app/src/main.ts?t=1", "file:///app/src/tasks.worker.ts"],
  ["./tasks.worker.ts", "file:///app/dist/main.js", "file:///app/dist/tasks.worker.js"],
  ["../work/tasks.mts", "file:///app/dist/a/main.mjs", "file:///app/dist/work/tasks.mjs"],
  ["./tasks.worker.ts", "file:///app/dist/main.mjs?v=2", "file:///app/dist/tasks.worker.mjs"],
  ["./tasks.js", "file:///app/dist/main.js", "file:///app/dist/tasks.js"]
])("%s beside %s is %s", (module, base, url) => {
  expect(ModuleUrl.of(module, base).href).toBe(url)
})
