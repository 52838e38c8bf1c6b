/**
 * A small process that ends the children of this process when this process ends in any way, also by SIGKILL.
 *
 * The guardian is a shell, and reads a pipe from this process. At the end of the pipe, the shell looks for each process with
 * the mark of this process, and for the processes below: their children, and the members of their groups and sessions. It
 * stops what it finds, until a look finds no other process, and then kills all of them. It begins again until nothing is
 * found. Where the system does not show environments, the shell kills the groups of a list. The shell has no mark of this
 * process, and a session of its own.
 *
 * Invariant: a process is signaled only if the time of its start is still the one that was read before the mark was found, or
 * as the rest of a group of this process after the end of the leader. So a process that was given the number of an ended
 * process is left alone.
 */
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process"
import type { Writable } from "node:stream"
import * as Mark from "./mark.ts"
import { isWindows } from "./member.ts"

/** Takes the mark, and the folder in which the system shows its processes. */
export const script: string = `
trap '' HUP INT QUIT TERM PIPE
groups=' '
while read -r sign pid; do
  case $sign in
    +) groups="$groups$pid " ;;
    -) case $groups in *" $pid "*) groups="\${groups%%" $pid "*} \${groups#*" $pid "}" ;; esac ;;
  esac
done
if [ ! -r "$2/self/environ" ]; then
  for pid in $groups; do kill -s KILL -- "-$pid" 2>/dev/null; done
  exit 0
fi
mark=$1
proc=$2
tree=''
words=$IFS
lines='
'
marked() { grep -alF "$mark=" "$@" 2>/dev/null; }
parse() {
  pid=\${1%% *}
  set -- \${1##*) }
  [ $# -ge 20 ] || return 1
  case $1 in Z | X) return 1 ;; esac
  case $pid$2$3$4\${20} in *[!0-9]*) return 1 ;; esac
  parent=$2 group=$3 session=$4 started=\${20}
}
look() {
  { read -r line < "$proc/$1/stat"; } 2>/dev/null && parse "$line"
}
is_known() { eval "[ \\"\\\${start_$1:-}\\" = \\"$2\\" ]"; }
is_in() {
  eval "entry=\\\${start_$1:-}"
  [ -n "$entry" ] || return 1
  ! look "$1" || [ "$started" = "$entry" ]
}
is_below() {
  for other in $parent $group $session; do
    is_in "$other" && return 0
  done
  return 1
}
found() {
  is_known "$1" "$2" && return 1
  look "$1" && [ "$started" = "$2" ] || return 1
  eval "start_$1=$2"
  tree="$tree $1"
  kill -s STOP "$1" 2>/dev/null
  new=1
}
each() {
  IFS=$lines
  set -f
  for line in $all; do
    IFS=$words
    parse "$line" && $1
  done
  IFS=$words
  set +f
}
note() { eval "now_$pid=$started"; }
take() {
  is_known "$pid" "$started" && return
  own=$pid
  start=$started
  is_below && found "$own" "$start"
}
grow() {
  turns=0
  new=1
  while [ $new = 1 ] && [ $turns -lt 20 ]; do
    turns=$((turns + 1))
    new=0
    all=$(cat "$proc"/[0-9]*/stat 2>/dev/null)
    [ -n "$all" ] || all=$(for file in "$proc"/[0-9]*/stat; do { read -r line < "$file"; } 2>/dev/null && echo "$line"; done)
    each note
    for file in $(marked "$proc"/[0-9]*/environ); do
      own=\${file#"$proc/"}
      own=\${own%/*}
      eval "start=\\\${now_$own:-}"
      if [ -z "$start" ]; then new=1; else found "$own" "$start"; fi
    done
    [ -z "$tree" ] || each take
  done
}
grow
for pid in $groups; do
  if [ ! -e "$proc/$pid" ] || [ -n "$(marked "$proc/$pid/environ")" ]; then kill -s KILL -- "-$pid" 2>/dev/null; fi
done
round=0
quiet=0
while [ $round -lt 100 ] && [ $quiet -lt 3 ]; do
  quiet=$((quiet + 1))
  grow
  for pid in $tree; do
    look "$pid" && is_known "$pid" "$started" && kill -s KILL "$pid" 2>/dev/null && quiet=0
  done
  round=$((round + 1))
  sleep 0.05 2>/dev/null || sleep 1
done
`

type State =
  | { readonly _tag: "Off" }
  | { readonly _tag: "Running"; readonly child: ChildProcess }
  /** This system has no shell. */
  | { readonly _tag: "Unavailable" }

let state: State = isWindows ? { _tag: "Unavailable" } : { _tag: "Off" }
const watched = new Set<number>()

/** Whether the children of this process end with this process, also after a kill. */
export const isRunning = (): boolean => state._tag === "Running"

/** Starts the guardian unless the guardian runs. A guardian that can't be started now is started with a later command. */
export const start = (): void => {
  if (state._tag !== "Off") return
  const child = spawnShell()
  if (child === undefined) return
  const ended = (next: State) => (): void => {
    if (state._tag === "Running" && state.child === child) state = next
  }
  child.on("error", ({ code }: NodeJS.ErrnoException) =>
    ended(code === "ENOENT" || code === "EACCES" ? { _tag: "Unavailable" } : { _tag: "Off" })()
  )
  // Node makes no pipes if this process has no file descriptor left.
  if ((child.stdin as Writable | undefined) === undefined) return
  child.on("exit", ended({ _tag: "Off" }))
  child.stdin.on("error", ended({ _tag: "Off" }))
  state = { _tag: "Running", child }
  // The guardian must not keep this process alive. The pipe is a socket, which its type does not show.
  child.unref()
  ;(child.stdin as Writable & { readonly unref?: () => void }).unref?.()
  for (const group of watched) write(`+ ${group}`)
}

/** Undefined if Node throws the error of the system, for example because there is no memory left. */
const spawnShell = (): ChildProcessByStdio<Writable, null, null> | undefined => {
  try {
    return spawn("/bin/sh", ["-c", script, "quiesce-guardian", Mark.ofHost, "/proc"], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/"
    })
  } catch {
    return undefined
  }
}

/** Adds a group that this process has started. */
export const watch = (group: number): void => {
  watched.add(group)
  write(`+ ${group}`)
}

/** Removes a group that has ended. */
export const unwatch = (group: number): void => {
  if (watched.delete(group)) write(`- ${group}`)
}

const write = (line: string): void => {
  if (state._tag === "Running") state.child.stdin?.write(`${line}\n`)
}
