/**
 * Runs one of the chaos programs in this process: `pnpm chaos [FAULTS] [SEED]` against a busy pool of workers, and
 * `pnpm chaos --processes [TREES] [SEED]` against random trees of processes.
 */
const flag = process.argv.indexOf("--processes")
if (flag >= 0) process.argv.splice(flag, 1)
const packageName = flag >= 0 ? "process" : "worker-threads"
await import(new URL(`../packages/${packageName}/test/fixtures/chaos-main.ts`, import.meta.url).href)
