import type { Task } from "@quiesce/worker-threads"

// A worker loads the code for leases and for failures on its first use: a bundle must contain that code, too.
export default async (_: null, { lease }: Task.TaskContext): Promise<void> => {
  const folder = await lease.temporaryFolder()
  throw new RangeError(`the path is a ${typeof folder.path}`)
}
