/** The command `quiesce ps` in one published file looks at a busy process with this toolkit, and at a process without. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { type Comparison, limit, type Measure } from "../Comparison.ts"
import * as Load from "../load.ts"

const execute = promisify(execFile)

const pathOf = (place: string): string => fileURLToPath(new URL(place, import.meta.url))

let command: string | undefined

/** The file of the command, bundled as it is packed. Needs a build (`tsc -b`). */
const bundled = (): string => {
  if (command !== undefined) return command
  const { status } = spawnSync(process.execPath, [pathOf("../../../../scripts/bundle-command.ts")], {
    stdio: "inherit"
  })
  if (status !== 0) throw new Error("The command could not be bundled. Run tsc -b first.")
  return (command = pathOf("../../../process/dist/quiesce.js"))
}

interface Looked {
  readonly args: ReadonlyArray<string>
  /** The output of the command has this. */
  readonly shown: RegExp
}

const busy: Looked = {
  args: [fileURLToPath(new URL("./busy-main.ts", import.meta.url))],
  shown: /busy-main\.ts:\d+:\d+[^]*waiting/
}

const foreign: Looked = {
  args: ["--inspect-port=0", "-e", 'process.stdout.write("ready"); for (;;);'],
  shown: /No thread of Quiesce/
}

/** Milliseconds from the start of the command to its end. */
const look =
  ({ args, shown }: Looked): Measure =>
  async () => {
    const file = bundled()
    const child: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] })
    try {
      await once(child.stdout!, "data")
      const start = performance.now()
      const { stdout } = await execute(process.execPath, [file, "ps", String(child.pid)])
      const millis = performance.now() - start
      if (!shown.test(stdout)) throw new Error(`The command has shown something else: ${stdout}`)
      return millis
    } finally {
      child.kill("SIGKILL")
    }
  }

const unit = "ms of a look, against a second"

const looks: ReadonlyArray<Pick<Comparison, "id" | "ours">> = [
  { id: "ps-busy", ours: look(busy) },
  { id: "ps-busy-beside-two", ours: () => Load.beside(look(busy)) },
  { id: "ps-foreign", ours: look(foreign) }
]

export const comparisons: ReadonlyArray<Comparison> = looks.map((one) =>
  Object.assign({ unit, peer: limit(1000), direction: "at most", target: 1, rounds: 5 } as const, one)
)
