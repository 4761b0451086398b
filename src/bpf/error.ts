/**
 * What kept an object from being loaded:
 * `object` (the file is damaged or uses what this loader does not know), `btf` (the kernel's type
 * information is missing or damaged), `permission`, `kernel` (too old or built without something),
 * `relocation` (a field, type or value that this kernel does not have), `verifier`, `map`, `attach`.
 */
export type BpfErrorKind = 'object' | 'btf' | 'permission' | 'kernel' | 'relocation' | 'verifier' | 'map' | 'attach';

/** Why loading failed, in words for the person who has to do something about it. */
export class BpfError extends Error {
  override readonly name = 'BpfError';
  readonly kind: BpfErrorKind;
  constructor(kind: BpfErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}
