import { type ErrorCode, errorMessage, isKibError, KibError } from '../core/index.ts';

/** One call of an API of Amazon's: what it was and where. */
export interface AwsCall {
  /** `ec2`, `ebs`, `ssm`: what stands before the colon of a permission. */
  readonly service: string;
  readonly action: string;
  readonly region: string;
}

type Named = { readonly code: ErrorCode; readonly hint?: string; readonly retryable?: boolean };

/** Errors by the codes of EC2 (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html) and the SDK. First match counts. */
const ERRORS: readonly (readonly [RegExp, Named])[] = [
  [
    /^(CredentialsProviderError|TokenProviderError|AuthFailure|InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|MissingAuthenticationToken|IncompleteSignature|OptInRequired)$/,
    {
      code: 'KIB_EC2_CREDENTIALS',
      hint: 'give credentials as for the AWS CLI: AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws, or an instance role',
    },
  ],
  [
    /^(ExpiredToken|ExpiredTokenException|RequestExpired)$/,
    {
      code: 'KIB_EC2_CREDENTIALS',
      hint: 'the credentials have expired, or this host’s clock is wrong: aws sso login, or new ones',
    },
  ],
  [
    /^(UnauthorizedOperation|AccessDenied|AccessDeniedException|Client\.UnauthorizedOperation)$/,
    { code: 'KIB_EC2_UNAUTHORIZED', hint: 'docs/drivers/ec2.md lists every permission; kib-native doctor checks them' },
  ],
  [
    /^(InsufficientInstanceCapacity|InsufficientHostCapacity|InsufficientCapacity|SpotMaxPriceTooLow|Unsupported|InsufficientFreeAddressesInSubnet)$/,
    { code: 'KIB_EC2_CAPACITY', hint: 'give more subnets, another instanceType or region, or try again later', retryable: true },
  ],
  [
    /^(RequestLimitExceeded|Throttling|ThrottlingException|RequestThrottled|RequestThrottledException|SlowDown)$/,
    { code: 'KIB_EC2', hint: 'too many calls at once in this account and region; try again', retryable: true },
  ],
  [
    /(LimitExceeded|CountExceeded|Limit\.Exceeded|ServiceQuotaExceededException)$/,
    { code: 'KIB_EC2_QUOTA', hint: 'ask for a higher quota of the region, or remove what is no longer needed' },
  ],
  [/^(InvalidAMIName\.Duplicate|AMINameAlreadyExists)$/, { code: 'KIB_EC2_NAME_TAKEN', hint: 'put {timestamp} into the name' }],
  [
    /^(InvalidAMIID\.(NotFound|Unavailable|Malformed)|ParameterNotFound|ParameterVersionNotFound)$/,
    { code: 'KIB_BASE_MISSING', hint: 'AMIs are of one region and account: is it there, and shared with yours?' },
  ],
  [
    /^(InvalidSubnetID\.NotFound|InvalidVpcID\.NotFound|VPCIdNotSpecified|MissingParameter\.Subnet|InvalidGroup\.NotFound|InvalidGroupId\.Malformed|InvalidSubnet|InvalidSubnet\..*|DefaultSubnetDoesNotExistInAvailabilityZone)$/,
    { code: 'KIB_EC2_NETWORK', hint: 'look at subnet, vpc and securityGroups of the driver' },
  ],
  [
    /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|TimeoutError|NetworkingError)$/,
    {
      code: 'KIB_EC2_UNREACHABLE',
      hint: 'is the region right, and the internet, or the endpoint, reachable from here?',
      retryable: true,
    },
  ],
];

/** What an error of the SDK means to whoever builds. Its request id goes into the details. */
export function awsError(error: unknown, { service, action, region }: AwsCall): KibError {
  if (isKibError(error)) return error;
  const name = errorName(error);
  const known: Named = ERRORS.find(([pattern]) => pattern.test(name))?.[1] ?? { code: 'KIB_EC2', retryable: isTransient(error) };
  // Megabytes of what only sts:DecodeAuthorizationMessage reads.
  const said = errorMessage(error).replace(/\s*Encoded authorization failure message:[\s\S]*/, '');
  const what = known.code === 'KIB_EC2_UNAUTHORIZED' ? `not allowed to call ${service}:${action}` : `${service}:${action} failed`;
  return new KibError(known.code, `${what} in ${region}: ${said} (${name})`, {
    hint: known.hint,
    retryable: known.retryable ?? false,
    cause: error,
    details: { action: `${service}:${action}`, region, awsCode: name, requestId: requestId(error) },
  });
}

/** EC2's own code of an error that `awsError` made: `InvalidAMIName.Duplicate`. */
export function awsCode(error: unknown): string | undefined {
  const code = isKibError(error) ? error.details['awsCode'] : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Whether the thing a call was about does not exist, or no longer does. */
export function isGone(error: unknown): boolean {
  return /\.NotFound$|^InvalidAMIID\.Unavailable$|^ResourceNotFoundException$/.test(awsCode(error) ?? '');
}

export function sdkMissing(name: string, cause: unknown): KibError {
  return new KibError('KIB_EC2_SDK', `the package ${name}, which talks to Amazon, is not installed`, {
    hint: `npm install ${name}`,
    cause,
  });
}

function errorName(error: unknown): string {
  const { name, code, Code } = error as { readonly name?: unknown; readonly code?: unknown; readonly Code?: unknown };
  // A system error's name is only `Error`.
  if (typeof code === 'string' && (name === 'Error' || name === undefined || name === 'AggregateError')) return code;
  if (typeof name === 'string' && name !== 'Error') return name;
  return typeof Code === 'string' ? Code : String(name);
}

function isTransient(error: unknown): boolean {
  const status = (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata?.httpStatusCode;
  return status !== undefined && status >= 500;
}

function requestId(error: unknown): string | undefined {
  return (error as { readonly $metadata?: { readonly requestId?: string } }).$metadata?.requestId;
}
