/**
 * Runs one of the chaos programs in this process: `pnpm chaos [FAULTS] [SEED]` against a busy pool of workers,
 * `pnpm chaos --plain [FAULTS] [SEED]` against busy pools of plain functions, `pnpm chaos --light [FAULTS] [SEED]` against such
 * pools in processes that have not loaded Effect, and
 * `pnpm chaos --processes [TREES] [SEED]` against random trees of processes, and `pnpm chaos --cluster [STEPS] [SEED]` against
 * the runner processes of a cluster.
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
  // Both programs of plain functions are in one file.
  if (path.includes("plain"))
    process.argv.splice(2, Infinity, process.argv[2] ?? "2000", process.argv[3] ?? seedOfNow(), flag)
}
await import(new URL(`../packages/${program}`, import.meta.url).href)
