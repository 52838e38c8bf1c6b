#!/usr/bin/env node
/** The program `quiesce`. */
import * as CommandLine from "./commandLine.ts"

process.exitCode = await CommandLine.run(process.argv.slice(2))
