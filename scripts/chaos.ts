/**
 * Runs one of the chaos programs in this process: `pnpm chaos [FAULTS] [SEED]` against a busy pool of workers, and
 * `pnpm chaos --processes [TREES] [SEED]` against random trees of processes, and `pnpm chaos --cluster [STEPS] [SEED]` against
 * the runner processes of a cluster.
 */
const packages = { "--processes": "process", "--cluster": "cluster" }
let packageName = "worker-threads"
for (const [flag, name] of Object.entries(packages)) {
  const index = process.argv.indexOf(flag)
  if (index < 0) continue
  process.argv.splice(index, 1)
  packageName = name
}
await import(new URL(`../packages/${packageName}/test/fixtures/chaos-main.ts`, import.meta.url).href)
