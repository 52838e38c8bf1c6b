import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { program as stopFlag } from "../02-stop-flag/program.ts"
import { program as raiseFromOutside } from "../03-raise-from-outside/program.ts"
import { program as joinWithTimeout } from "../04-join-with-timeout/program.ts"
import { runFile, runVirtually, workspace } from "./support.ts"

const stopFlagLines = [
  'sleeper: awake, because "Closing time"',
  "main:   asked the office to stop",
  "poller: asked to stop, finished step 4",
  "main:   the office is closed, 4 steps were done"
]

it("02-stop-flag: each thread ends by itself after it has seen the flag", async () => {
  const { lines, result } = await runVirtually(stopFlag)

  expect(lines).toEqual(stopFlagLines)
  expect(result).toBe(4)
})

const raiseLines = [
  "main:   version 2 was delivered: true",
  "server: works with version 2",
  "server: cleaned up after version 2",
  "main:   version 3 was delivered: true",
  "main:   the server has ended with version 3",
  "main:   version 4 was delivered: false"
]

it("03-raise-from-outside: an error waits for its region, is caught there, and is refused after the end of the thread", async () => {
  const { lines } = await runVirtually(raiseFromOutside)

  expect(lines).toEqual(raiseLines)
})

it("04-join-with-timeout: for threads of 3 s and 8 s a join waits 8 s, with 2 s for each 4 s, within 2 s 2 s", async () => {
  const { lines, result } = await runVirtually(joinWithTimeout)

  expect(result).toEqual({ unlimited: 8000, each: 4000, within: 2000 })
  expect(lines).toEqual([
    "0.0 s  thread A works for 3 s, thread B for 8 s",
    "2.0 s  joiner with 2 s for all goes on; still at work: thread A, thread B",
    "3.0 s  thread A has done its work",
    "4.0 s  joiner with 2 s for each goes on; still at work: thread B",
    "8.0 s  thread B has done its work",
    "8.0 s  joiner without a limit goes on; still at work: nobody"
  ])
})

it.each([
  ["02-stop-flag", stopFlagLines],
  ["03-raise-from-outside", raiseLines]
])("%s prints the same in real time and ends by itself", async (name, expected) => {
  const { lines, errors, code } = await runFile(`examples/${name}/main.ts`)

  expect(errors).toBe("")
  expect(lines).toEqual(expected)
  expect(code).toBe(0)
})

it("05-effect-rpc: calls end like threads after one changed line on the host and one in the worker", async () => {
  const { lines, errors, code } = await runFile("examples/05-effect-rpc/main.ts")

  expect(errors).toBe("")
  expect(lines).toEqual([
    "RpcClient.layerProtocolWorker",
    "  a report is cancelled at row 3      the call returned too early, half a report is left",
    "  the reason in its handler           none",
    "  a call on another worker crashes    the report fails, too",
    "  two endless loops are interrupted   the next call gets no answer in 3 seconds",
    "  lock files left by the workers      2",
    "RpcProtocol.layerClient",
    "  a report is cancelled at row 3      the call returned after the cleanup",
    "  the reason in its handler           Aborted: the user changed her mind",
    "  a call on another worker crashes    the report goes on",
    "  two endless loops are interrupted   the next call is answered",
    "  lock files left by the workers      0"
  ])
  expect(code).toBe(0)
})

it.each([
  ["protocol.ts", "RpcClient.layerProtocolWorker(", "RpcProtocol.layerClient("],
  ["reports.worker.ts", "RpcServer.layerProtocolWorkerRunner", "RpcProtocol.layerServer"]
])("05-effect-rpc: %s differs in that line only", (file, was, is) => {
  const statements = (folder: string) =>
    readFileSync(join(workspace, "examples/05-effect-rpc", folder, file), "utf8")
      .split("\n")
      .filter((line) => !line.startsWith("import ") && !line.startsWith("/**"))
  const [before, after] = [statements("before"), statements("after")]

  const changed = before.flatMap((line, at) => (line === after[at] ? [] : [[line, after[at]]]))

  expect(after).toHaveLength(before.length)
  expect(changed).toEqual([[expect.stringContaining(was), expect.stringContaining(is)]])
})

it("09-metrics: Effect's Prometheus layer serves the numbers of threads, leases and pools", async () => {
  const { lines, errors, code } = await runFile("examples/09-metrics/main.ts")

  expect(errors).toBe("")
  expect(lines).toEqual([
    'quiesce_finalizers_running{name="file"} 0',
    'quiesce_leases_held{name="file"} 1',
    'quiesce_pool_task_running_seconds_count{pool="squares",task="Square"} 3',
    'quiesce_pool_task_running_seconds_count{pool="squares",task="Wait"} 1',
    'quiesce_pool_task_waiting_seconds_count{pool="squares",task="Square"} 3',
    'quiesce_pool_task_waiting_seconds_count{pool="squares",task="Wait"} 2',
    'quiesce_pool_tasks_cancelled_total{pool="squares",task="Wait",rung="interrupt"} 1',
    'quiesce_pool_tasks_completed_total{pool="squares",task="Square",result="succeeded"} 3',
    'quiesce_pool_tasks_queued{pool="squares"} 0',
    'quiesce_pool_tasks_running{pool="squares"} 1',
    'quiesce_pool_utilization_ratio{pool="squares"} 1',
    'quiesce_pool_workers_blocked{pool="squares"} 0',
    'quiesce_pool_workers{pool="squares",state="busy"} 1',
    'quiesce_pool_workers{pool="squares",state="idle"} 0',
    'quiesce_threads_alive{name="Wait"} 1',
    'quiesce_threads_alive{name="program"} 1'
  ])
  expect(code).toBe(0)
})
