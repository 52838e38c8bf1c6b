/** How long a worker may take to end by itself, and then by force, in milliseconds. Nothing here loads Effect. */
export const closeMillis = 2000

/** How long a worker that is not ready may take to end by itself. It has no task, and may be busy with its imports. */
export const startingCloseMillis = 100
