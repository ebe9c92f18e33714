/** An error answer in vAPI's form. */
export class Refusal extends Error {
  readonly status: number;
  readonly type: string;

  constructor(status: number, type: string, message: string) {
    super(message);
    this.status = status;
    this.type = type;
  }

  get body(): unknown {
    return { error_type: this.type, messages: [localizable(this.message)] };
  }
}

export function localizable(text: string) {
  return { id: 'com.vmware.fake', default_message: text, args: [] };
}

export const notFound = (what: string): Refusal => new Refusal(404, 'NOT_FOUND', `${what} could not be found.`);
export const wrongState = (what: string): Refusal => new Refusal(400, 'NOT_ALLOWED_IN_CURRENT_STATE', what);
export const invalid = (what: string): Refusal => new Refusal(400, 'INVALID_ARGUMENT', what);
