// Measures one pool of plain functions in a process of its own: `node program.mjs POOL MEASURE CALLERS BYTES [CORES]`. Prints a
// number. CORES are two numbers, such as 0,1: the core of the host's thread and that of the worker's.
// Runs in a project that has the packages as users get them. The process ends by itself, because `process.exit` can hang while
// another thread of the engine compiles (nodejs/node#54918).
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

const [kind, measure, callers, bytes, cores] = process.argv.slice(2)
const start = performance.now()
const moves = kind === "piscina" ? "./move.piscina.mjs" : "./move.mjs"
const url = new URL(measure === "move" ? moves : "./add.mjs", import.meta.url)
const size = Number(callers) === 1 ? 1 : 2

/** Each pool with the settings that its documentation recommends for short tasks. */
const pools = {
  quiesce: async (size) => {
    const { createTaskPool } = await import("@quiesce/worker-threads/Task")
    const pool = createTaskPool(url, { size })
    return {
      run: (input, transfer) => pool.run(input, transfer && { transfer }),
      close: () => pool[Symbol.asyncDispose]()
    }
  },
  piscina: async (size) => {
    const { Piscina } = await import("piscina")
    const pool = new Piscina({ filename: url.href, minThreads: size, maxThreads: size, atomics: "sync" })
    return {
      run: (input, transferList) => pool.run(input, transferList && { transferList }),
      close: () => pool.destroy()
    }
  },
  tinypool: async (size) => {
    const { Tinypool } = await import("tinypool")
    const pool = new Tinypool({ filename: url.href, minThreads: size, maxThreads: size })
    return { run: (input) => pool.run(input), close: () => pool.destroy() }
  },
  workerpool: async (size) => {
    const { default: workerpool } = await import("workerpool")
    const worker = new URL("./workerpool.worker.mjs", import.meta.url)
    const pool = workerpool.pool(worker.pathname, { workerType: "thread", minWorkers: size, maxWorkers: size })
    return { run: (input) => pool.exec("add", [input]), close: () => pool.terminate() }
  }
}

const inputOf = (bytes) => (bytes === 0 ? 1 : new Uint8Array(bytes))

/** Keeps the threads of host and worker on their cores, if there are CORES. The pool has a worker. */
const place = () => {
  if (cores === undefined) return
  const tasks = readdirSync("/proc/self/task")
  const worker = tasks.find((task) => readFileSync(`/proc/self/task/${task}/comm`, "utf8").trim() === "WorkerThread")
  for (const [index, thread] of [process.pid, worker].entries())
    execFileSync("taskset", ["-cp", cores.split(",")[index], thread])
}

/** Microseconds a call. */
const calls = async (run, count) => {
  let left = count
  const start = performance.now()
  const caller = async () => {
    while (left-- > 0) await run()
  }
  await Promise.all(Array.from({ length: Number(callers) }, caller))
  return ((performance.now() - start) * 1000) / count
}

/** Megabytes of resident memory beside an idle pool. */
const used = async (size) => {
  const pool = await pools[kind](size)
  await Promise.all(Array.from({ length: size * 4 }, () => pool.run(1)))
  await new Promise((resolve) => setTimeout(resolve, 500))
  return [process.memoryUsage().rss / 1e6, pool]
}

const measures = {
  /** Milliseconds from the start of the program to the first result. */
  first: async () => {
    const pool = await pools[kind](1)
    await pool.run(1)
    return [performance.now() - start, pool]
  },
  /** Microseconds a call, of a warm pool. */
  calls: async () => {
    const pool = await pools[kind](size)
    const input = inputOf(Number(bytes))
    const run = () => pool.run(input)
    const count =
      Number(bytes) > 500_000 ? 200 : Number(bytes) > 10_000 ? 2_000 : Number(callers) === 1 ? 6_000 : 20_000
    await calls(run, count)
    place()
    return [await calls(run, count), pool]
  },
  /** The same with an input that is transferred. */
  transfer: async () => {
    const pool = await pools[kind](size)
    const run = () => {
      const input = new Uint8Array(Number(bytes))
      return pool.run(input, [input.buffer])
    }
    await calls(run, 20)
    place()
    return [await calls(run, 40), pool]
  },
  /** The same with bytes that are transferred to the worker and back, again and again. */
  move: async () => {
    const pool = await pools[kind](size)
    let moved = new Uint8Array(Number(bytes))
    const run = async () => {
      moved = await pool.run(moved, [moved.buffer])
    }
    await calls(run, 1000)
    place()
    return [await calls(run, 4000), pool]
  },
  /** Megabytes of resident memory that each of eight idle workers adds to the first. */
  memory: async () => {
    const [before, first] = await used(1)
    const [after, second] = await used(8)
    await first.close()
    return [(after - before) / 8, second]
  }
}

const [result, pool] = await measures[measure]()
console.log(result)
await pool.close()
