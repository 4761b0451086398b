import { release } from 'node:os';
import { Capability, type CapabilityName, dropCapabilities, effectiveCapabilities, systemCalls } from '../bpf/index.ts';
import type { PipelineSetup } from './contract.ts';

/** Since 6.4 a map is read and changed by whoever holds its descriptor; before, bpf(2) is refused to the unprivileged. */
const MAPS_BY_DESCRIPTOR = [6, 4] as const;

/**
 * Once the probe is loaded, the thread that judges needs none of the power that this took. It keeps what reading other
 * processes in /proc takes, what passing a signal to the watched command takes, and what writing a recording where the
 * user wants it takes. The command itself was made before and has all that the user has.
 */
export function giveUpCapabilities({ config, command, record }: PipelineSetup): void {
  const sys = systemCalls();
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const [sinceMajor, sinceMinor] = MAPS_BY_DESCRIPTOR;
  const keep: CapabilityName[] = ['DAC_READ_SEARCH', 'SYS_PTRACE'];
  if (major < sinceMajor || (major === sinceMajor && minor < sinceMinor)) keep.push('BPF');
  if (command !== null) keep.push('KILL');
  if (record !== null || config.capture.enabled) keep.push('DAC_OVERRIDE');
  const have = effectiveCapabilities(sys);
  dropCapabilities(
    sys,
    keep.filter((name) => (have & (1n << BigInt(Capability[name]))) !== 0n),
  );
}
