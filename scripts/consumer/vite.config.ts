import { defineConfig } from "vite"

// The command is `vite build --ssr`. With the mode "bundled" the output needs no package that is installed beside it.
export default defineConfig(({ mode }) => ({
  ssr: mode === "bundled" ? { noExternal: true } : {},
  build: {
    ssr: true,
    outDir: `built-vite-${mode}`,
    target: "node22",
    rolldownOptions: { input: ["main.ts", "tasks.worker.ts", "task.worker.ts", "square.ts", "folder.ts"] }
  }
}))
