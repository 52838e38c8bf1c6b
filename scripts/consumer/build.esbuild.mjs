import { build } from "esbuild"

await build({
  entryPoints: ["main.ts", "tasks.worker.ts", "task.worker.ts", "square.ts", "folder.ts"],
  outdir: "built-esbuild",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node22"
})
