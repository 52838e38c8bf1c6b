/** A runner process, as the host of the runs sees it. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { ToHost, ToWorker } from "../workers/messages.ts"
import type { Answer } from "./line.ts"
import type { Traffic } from "./traffic.ts"

const program = fileURLToPath(new URL("./runner-main.ts", import.meta.url))

export class RunnerProcess {
  private readonly child: ChildProcess
  private readonly traffic: Traffic
  /** The run of a question without an answer. */
  private asking: number | undefined = undefined
  /** Receives the messages of the current run. */
  take: (message: ToHost) => void = () => {}

  private constructor(child: ChildProcess, traffic: Traffic) {
    this.child = child
    this.traffic = traffic
    createInterface({ input: child.stdout! }).on("line", (line) => this.took(JSON.parse(line) as ToHost))
  }

  /** Starts a runner, and waits until it has entered the cluster. */
  static async start(traffic: Traffic, args: ReadonlyArray<string>): Promise<RunnerProcess> {
    const child = spawn(process.execPath, [program, args[0]!, String(await freePort()), ...args.slice(1)], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, NODE_NO_WARNINGS: "1" }
    })
    let output = ""
    await new Promise<void>((resolve, reject) => {
      child.stderr.on("data", (data: Buffer) => {
        output += String(data)
        if (output.includes("ready\n")) resolve()
      })
      child.on("exit", () => reject(new Error(`The runner has ended: ${output}`)))
    })
    return new RunnerProcess(child, traffic)
  }

  private took(message: ToHost): void {
    if (message._tag === "Idle" || message._tag === "Cut") this.asking = message.run
    this.take(message)
  }

  /** Answers the question of a run. */
  answer(message: ToWorker | Pick<Answer & { readonly _tag: "Resume" }, "run" | "_tag">): void {
    if (this.asking !== message.run) return
    this.asking = undefined
    this.child.stdin!.write(`${JSON.stringify({ ...message, bytes: this.traffic.bytes })}\n`)
  }

  /** Ends a run that has hung. A later question of the run has the same answer. */
  async finish(run: number): Promise<void> {
    const finished = new Promise<void>((resolve) => {
      this.take = (message) => {
        if (message.run !== run) return
        if (message._tag === "Finished") return resolve()
        this.answer({ run, _tag: "Finish" })
      }
    })
    this.answer({ run, _tag: "Finish" })
    await finished
  }

  async close(): Promise<void> {
    const exit = once(this.child, "exit")
    this.child.kill("SIGKILL")
    await exit
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on("error", reject)
    server.listen(0, "localhost", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
