/**
 * Runs one of the chaos programs in this process:
 *
 * - `pnpm chaos [FAULTS] [SEED]` on a busy pool of workers
 * - `pnpm chaos --plain [FAULTS] [SEED]` on busy pools of plain functions
 * - `pnpm chaos --light [FAULTS] [SEED]` on such pools in processes that have not loaded Effect
 * - `pnpm chaos --processes [TREES] [SEED]` on random trees of processes
 * - `pnpm chaos --cluster [STEPS] [SEED]` on the runner processes of a cluster
 */
const programs = {
  "--plain": "worker-threads/test/fixtures/plain-chaos-main.ts",
  "--light": "worker-threads/test/fixtures/plain-chaos-main.ts",
  "--processes": "process/test/fixtures/chaos-main.ts",
  "--cluster": "cluster/test/fixtures/chaos-main.ts"
}
const seedOfNow = (): string => String(Date.now() % 1_000_000)

let program = "worker-threads/test/fixtures/chaos-main.ts"
for (const [flag, path] of Object.entries(programs)) {
  const index = process.argv.indexOf(flag)
  if (index < 0) continue
  process.argv.splice(index, 1)
  program = path
  // One file has both programs of plain functions.
  if (path.includes("plain"))
    process.argv.splice(2, Infinity, process.argv[2] ?? "2000", process.argv[3] ?? seedOfNow(), flag)
}
await import(new URL(`../packages/${program}`, import.meta.url).href)
