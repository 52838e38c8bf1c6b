/** Names, once, the tasks that the first process of a container has and this package does not do. */

const text = (name: string): string =>
  `${name} is process 1 of its container. It handles its signals, but does not reap orphaned processes, which stay as zombies. If the program starts processes, start it under an init: docker run --init, or tini.\n`

export const print = (name: string): void => {
  if (process.pid === 1) process.stderr.write(text(name))
}
