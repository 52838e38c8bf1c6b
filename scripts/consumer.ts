/**
 * A folder like a user's: the packed packages are installed in the folder, with the tools of this repository. Nothing
 * is downloaded.
 */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** The paths of a consumer's other packages in this repository. */
const tools: Readonly<Record<string, string>> = {
  effect: "packages/core/node_modules/effect",
  "@effect/platform-node": "packages/cluster/node_modules/@effect/platform-node",
  esbuild: "node_modules/esbuild",
  vite: "node_modules/vite",
  typescript: "node_modules/typescript",
  "@types/node": "node_modules/@types/node"
}

/** Makes the folder. `tarballs` has the file of each package by its name, and `programs` is the folder with the code. */
export const makeConsumer = (tarballs: ReadonlyMap<string, string>, programs: string): string => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "quiesce-consumer-")))
  for (const [name, tarball] of tarballs) {
    const target = join(folder, "node_modules", name)
    mkdirSync(target, { recursive: true })
    const { status } = spawnSync("tar", ["-xzf", tarball, "-C", target, "--strip-components=1"], { stdio: "inherit" })
    if (status !== 0) throw new Error(`${tarball} can't be unpacked`)
  }
  for (const [name, place] of Object.entries(tools)) {
    const link = join(folder, "node_modules", name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(realpathSync(place), link, "junction")
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }))
  cpSync(programs, folder, { recursive: true })
  return folder
}
