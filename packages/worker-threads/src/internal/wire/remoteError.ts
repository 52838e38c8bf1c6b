/** The error of another thread, from its printed form: the message and, on further lines, the stack. */
export const remoteError = (printed: string): Error => {
  const error = new Error(printed.split("\n", 1)[0])
  error.stack = printed
  return error
}
