/** The host process exits without releasing its leases. */
import { execFile } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, expect, it } from "vitest"
import * as ProcessTable from "../src/internal/leases/ready/processTable.ts"

const program = fileURLToPath(new URL("./fixtures/exit-main.ts", import.meta.url))

let root = ""
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "quiesce-exit-"))))
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** In a container, a dead process may keep its process id for ever. */
const isRunning = (pid: number): boolean => ProcessTable.find(pid)?.isDead === false

it.skipIf(process.platform !== "linux")(
  "a host that exits removes its temporary folders and kills its child processes",
  async () => {
    const { code, stdout } = await new Promise<{ readonly code: unknown; readonly stdout: string }>((resolve) =>
      execFile(process.execPath, [program, root], (error, stdout) => resolve({ code: error?.code, stdout }))
    )
    expect(code).toBe(7)
    const pid = Number(stdout)
    expect(pid).toBeGreaterThan(1)
    // SIGKILL was sent to the process. The system may take a moment to remove it.
    while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(readdirSync(root)).toEqual([])
  }
)
