"""Failure rules about the program, its data and its people, and last the symptoms and the general classes."""

from typing import Final

from services.training.failure_rule import FailureRule, Owner, rule

_INFRA, _DATA, _CODE, _USER = Owner.INFRASTRUCTURE, Owner.DATA, Owner.CODE, Owner.USER
_EXIT: Final = r"(?:exit(?:ed)?|exitcode|returned?|status|\] (?:error|fehler|erreur|errore|错误))[^\n]{0,30}"
_NOT_A_NUMBER: Final = r"\b(?:nan|nans|infs?|infinite|infinity|non-?finite|not finite)\b"
_LEARNT: Final = (
    r"\b(?:loss|losses|objective|grad(?:ient)?s?|grad_norm|logits|weights|activations?|perplexity|metrics?|scores?|rmse|auc)\b"
)
_BECAME: Final = (
    r"\b(?:is|are|was|were|became|becomes?|went|contains?|has|have|turned(?: into)?|reached|diverged(?: to)?|with)\b"
)
_THING: Final = r"(?:files?|paths?|directory|directories|checkpoints?|datasets?|manifest)\b"

PROGRAM: Final[tuple[FailureRule, ...]] = (
    # An image that nobody may pull: the job then waits until its deadline, which explains nothing.
    rule(
        "permission", _INFRA,
        r"(?:pull|resolve)[^\n]*(?:403 forbidden|401 unauthorized|\bdenied\b|authori[sz]|no basic auth)",
        stems="pull|resolve",
    ),
    rule(
        "file_not_found", _DATA,
        r"(?:pull|resolve)[^\n]*image[^\n]*(?:manifest unknown|not found)", r"manifest for [^\n]+ not found",
        stems="manifest|not found",
    ),
    rule(
        "time_limit", _USER,
        r"due to time ?limit", r"\bstate[=: ]+timeout\b", r"walltime[^\n]{0,40}exceed",
        r"exceed(?:ed|s)?[^\n]{0,40}wall ?time", r"exceeded[^\n]{0,20}\btime ?limit",
        r"active longer than specified deadline", r"(?:job|reason)[^\n]{0,40}DeadlineExceeded",
        r"maximum (?:run ?time|training time)[^\n]{0,20}(?:exceed|reach)", r"MaxRuntimeExceeded",
        stems="time limit|timelimit|timeout|walltime|wall time|deadline|runtime|run time|training time",
    ),
    rule(
        "segfault", _CODE,
        r"segmentation fault", r"\bSIGSEGV\b", r"\bsegfault\b(?! *(?:host|\w*=))", r"general protection fault",
        r"\bsignal 11\b", r"attempt to free invalid pointer", r"\bglibc detected\b",
        r"\bstatus=(?:11/SEGV|7/BUS|4/ILL)",
        r"killed by signal: (?:aborted|bus|segm)",
        r"^(?:\[[\w.:-]+\] )?signal: (?:aborted|bus error)", rf"{_EXIT}(?:\b139\b|-11\b)", r"\bbus error\b|\bSIGBUS\b",
        r"double free or corruption|free\(\): invalid|malloc\(\):|munmap_chunk\(\)|corrupted size vs"
        r"|corrupted double-linked|stack smashing", r"fatal python error: (?:segmentation|bus|aborted|illegal)",
        r"access violation|0xC0000005|3221225477", r"invalid memory reference", r"\bSIGILL\b|illegal instruction\b",
        stems="fault|sig|invalid pointer|glibc|status=|killed by|139|-11|bus error|corrupt|free()|malloc()"
              "|munmap|smashing|fatal python|violation|0xc0000005|3221225477|memory reference|illegal",
    ),
    rule(
        "nan_loss", _CODE,
        r"\bNanLossDuringTraining\w*", rf"{_LEARNT}[^\n]{{0,40}}{_BECAME}[^\n]{{0,20}}{_NOT_A_NUMBER}",
        rf"{_NOT_A_NUMBER}[^\n]{{0,40}}{_LEARNT}", r"\b(?:nan|inf)\b[^\n]{0,20}\bdetected\b",
        r"\bdetected\b[^\n]{0,20}\b(?:nan|inf)s?\b", r"returned nan values", r"invalid loss, terminating",
        r"(?:training|model|loss|optimi[sz]ation)[^\n]{0,30}\b(?:diverged|diverging|exploded)\b",
        r"(?:minimum|smallest)[^\n]{0,20}loss[ _]scale|loss[ _]scale[^\n]{0,30}\bminimum",
        r"FloatingPointError: (?!divide|division)[^\n]*(?:invalid value|overflow|nan)",
        r"loss[^\n]{0,10}(?:=|:) *nan\b[^\n]*(?:abort|stop|terminat|exit)", r"invalid value \(nan\) encountered",
        r"\bprobability tensor contains",
        r"\b(?:nan|non-?finite)\b[^\n]{0,30}\b(?:stopping|aborting|terminating|giving up|halting|abort)\b",
        r"satisfy the constraint[^\n]*found invalid values", r"\bnan in summary",
        r"\bloss function returned nan|degenerate solution on iteration",
        r"\b(?:nan|inf)s? (?:was |were )?(?:generated|produced|encountered|found)\b", r"\btensor had (?:nan|inf)\b",
        stems="nan|inf|finite|diverg|explod|invalid loss|loss scale|floatingpoint|invalid values|degenerate",
    ),
    rule(
        "missing_module", _CODE,
        r"\bModuleNotFoundError\b", r"\bImportError\b", r"no module named", r"cannot import name", r"dll load failed",
        r"undefined symbol", r"cannot open shared object file", r"\bcommand not found\b",
        r"there is no package called", r"could not find or load main class", r"WinError 12[67]\b",
        r"not recognized as an internal or external", r"\bbad interpreter\b", r"\bcannot find module\b",
        r"\bunable to import\b", r"^make(?:\[\d+\])?: [\w.-]+: no such file or directory",
        r"package \w+ not found in current path", r"\bld: cannot find -l",
        r"executable file not found in",
        r"could not find a version that satisfies", r"requires a different python", r"PackagesNotFoundError",
        r"module\(s\) are unknown|unable to locate a modulefile",
        r"is not installed[^\n]*(?:pip|conda|apt|install)", r"\benv: [^\n]{1,60}: no such file or directory",
        r"^(?:/bin/)?(?:ba|da|z|k)?sh: (?:line )?\d+: [\w./+-]+: not found",
        r"no matching distribution found", r"ResolutionImpossible", r"could not load dynamic library[^\n]*dlerror",
        r"(?:DistributionNotFound|PackageNotFoundError|VersionConflict)", r"GLIBC\w*_[\d.]+'? not found",
        r"(?:package|library|module)\b[^\n]{0,60}\bis not installed", r"NoClassDefFoundError|ClassNotFoundException",
        stems="module|import|dll|symbol|shared object|command not|: not found|env: |distribution"
              "|resolutionimpossible|executable file|main class|winerror|make|recognized|interpreter|package"
              "|ld: cannot|a version that|different python|packagesnotfound|dynamic library|packagenotfound"
              "|versionconflict|glibc|not installed|class|no package called",
    ),
    rule(
        "permission", _INFRA,
        r"\bPermissionError\b", r"permission denied", r"\bErrno 13\b|\bEACCES\b|\bEPERM\b", r"operation not permitted",
        r"access ?denied", r"\b(?:401 (?:client error|unauthorized)|403 (?:client error|forbidden))",
        r"ApiException: \((?:401|403)\)", r"\bforbidden\b",
        r"\bunauthorized\b", r"not authorized to perform", r"insufficient (?:permissions?|privileges?)",
        r"read-only file system|\bErrno 30\b", r"does not have [\w.]+ access",
        r"\bnot have (?:the |required |necessary )*(?:permissions?|access|rights)\b",
        r"unable to locate credentials|NoCredentials\w*|ExpiredToken\w*|InvalidAccessKeyId|SignatureDoesNotMatch",
        r"permission_?denied|PermissionDenied", r"(?:error code|status(?: code)?|code)[:= ]+40[13]\b",
        r"\bAuthentication\w*Error\b|failed to authenticate|preauthentication failed|invalid_grant",
        r"api[_ ]key[^\n]{0,20}(?:not configured|is valid|verification failed|incorrect|invalid)",
        r"(?:incorrect|invalid) api key", r"host key verification failed", r"no valid credentials",
        r"\btoken (?:has |is |was )?expired",
        r"invalid account or account/partition",
        r"GatedRepoError|could not automatically determine credentials|DefaultCredentialsError",
        r"authentication (?:failed|required)|invalid credentials|authorization(?:failure| failed)",
        stems="permi|apiexception|errno|eacces|eperm|access|client error|unauthorized|forbidden|authori"
              "|privilege|read-only|401|403|authenti|invalid_grant|token|api key|api_key|host key"
              "|invalid account|credential|expiredtoken|signaturedoes|gatedrepo|authentication",
    ),
    rule(
        "file_not_found", _DATA,
        r"FileNotFound", r"no such (?:file or directory|artifact|object)\b",
        r"\bErrno 2\b|\bENOENT\b", r"errno = 2\b",
        r"NoSuch(?:Key|Bucket|File)\w*", r"\b(?:bucket|blob|object)\b[^\n]{0,60}\bdoes not exist",
        r"specified (?:key|blob|bucket|path|file) does not exist",
        r"path does not exist", r"cannot find the (?:file|path) specified",
        rf"{_THING}[^\n]{{0,120}}\b(?:do(?:es)? not exist|do(?:es)?n't exist|not found|could not be found"
        r"|(?:is|are) missing)\b",
        rf"{_THING}[^\n]{{0,120}}\bmissing\W*$",
        r"\b(?:could not|cannot|unable to|failed to) locate (?!class|function|object|layer)",
        r"404 client error|HTTP(?:/[\d.]+| error| status)? 404|: 404 not found",
        r"EntryNotFoundError|RepositoryNotFoundError|BlobNotFound|ResourceNotFoundError",
        r"(?:can't|can ?not|couldn't|could not|unable to|failed to) find [^\n]{0,40}"
        r"\b(?:files?|paths?|checkpoints?|datasets?)\b",
        r"\bno (?:\w+ )?(?:files?|checkpoints?|shards?|artifacts?) (?:named|called|match(?:es|ed|ing)?|at|in|under)\b",
        r"error occurred \(404\)", r"is not a valid model identifier", r"does not appear to have a file named",
        r"couldn't find (?:it|them) in the cached files", r"cannot find the requested files", r"no file named\b",
        r"can't load (?:the )?(?:tokenizer|config\w*|model|feature extractor|image processor)[^\n]* for ['\"]",
        r"ApiException: \(404\)", r"incorrect path_or_model_id|repo id must be in the form", r"RESOURCE_DOES_NOT_EXIST",
        r"\bcan(?:not|'t) find ['\"]?[\w./-]+\.\w{2,6}\b", r"\bno checkpoints? (?:was |were )?found\b",
        r"\bfound 0 (?:files|images|samples) in\b", r"could not open (?:data )?file", r"cannot find primary config",
        r"MissingConfigException", r"no urls matched", r"error opening ['\"]?/", r"no such table",
        r"can't find '__main__'",
        r"\b(?:configmap|persistentvolumeclaim|secret) \"[^\"]+\" not found", r"no rule to make target",
        r"MissingInputException|missing input files", r"returned error: 404",
        r"errors(?:_impl)?\.NotFoundError: (?!op type|key |no registered|could not find device|no algorithm)",
        r"TABLE_OR_VIEW_NOT_FOUND|table or view not found",
        stems="no |not_found|valid model|appear to have|path_or_model|repo id|not find|found 0|not open"
              "|missingconfig|no urls|missinginput|missing input|error opening|__main__|no rule|t load"
              "|requested files|notfound|no such|nosuch|errno|enoent|not exist|n't exist|not found|be found"
              "|missing|locate|are missing|t find|to find|404",
    ),
    rule(
        "div_zero", _CODE,
        r"\bZeroDivisionError\b", r"(?<!warning: )\bdivision (?:or modulo )?by (?:zero|0\b)", r"modulo by zero",
        r"FloatingPointError: (?:divide|division) by zero", r"/ by zero", r"\bSIGFPE\b|floating point exception",
        r"DivisionByZero|DivisionUndefined|divisor of zero|\bDivideError\b", r"\bdivide by zero\b(?! encountered)",
        stems="zero|divisionundefined|divideerror|by 0|sigfpe|floating point",
    ),
    rule(
        "data_error", _DATA,
        r"columns are missing", r"not in index\b", r"are in the \[(?:columns|index)\]", r"EmptyDataError",
        r"found array with 0 sample", r"feature names should match those that were passed during fit",
        r"input (?:X )?contains (?:nan|infinity)", r"ArrowInvalid|ParquetError", r"parquet magic bytes not found",
        r"corrupt(?:ed)? (?:record|file|block|parquet)", r"schema (?:mismatch|error)|SchemaError",
        r"schema[^\n]{0,40}(?:does not|doesn't) match", r"missing (?:required )?columns?\b",
        r"\bDataLossError\b|\bDATA_LOSS\b|truncated (?:record|file)", r"not a gzipped file|bad magic number",
        r"(?:dataset|dataframe|frame|input) is empty|no (?:rows|samples|examples) (?:found|left|in)",
        r"Usecols do not match columns|number of columns[^\n]{0,40}match|ParserError",
        r"\bcolumn\b[^\n]{0,60}\b(?:not found|does not exist|is missing)",
        stems="column|in index|are in the [|emptydata|0 sample|feature names|contains|arrowinvalid|parquet"
              "|corrupt|schema|dataloss|data_loss|truncated|gzipped|magic|is empty|no rows|no samples"
              "|no examples|parsererror",
    ),
    rule(
        "network", _INFRA,
        r"ConnectionError\b", r"ConnectionResetError|ConnectionRefusedError|BrokenPipeError",
        r"connection (?:reset|refused|aborted|timed out)", r"name (?:or service not known|resolution)",
        r"(?:read|connect(?:ion)?) ?timed? ?out|(?:Read|Connect)Timeout\w*", r"max retries exceeded",
        r"50[234] (?:server error|bad gateway|service unavailable|gateway)", r"SSLError|IncompleteRead|ProtocolError",
        r"\bDEADLINE_EXCEEDED\b|\bUNAVAILABLE\b: ", r"closed the connection unexpectedly",
        r"could not connect to (?:the )?server|connection to server[^\n]*failed: (?!FATAL)",
        stems="connect|brokenpipe|name or|resolution|timed out|timeout|time out|retries|50"
              "|sslerror|incompleteread|protocolerror|deadline|unavailable", retryable=True,
    ),
    rule(
        "killed_by_user", _USER,
        r"\bKeyboardInterrupt\b", r"\bSIGINT\b", r"\*\*\* (?:job|step)[^\n]*cancelled at", r"cancelled by \w+",
        r"received (?:signal )?(?:SIGTERM|15)\b", r"^terminated\b", rf"{_EXIT}(?:\b143\b|\b130\b|-15\b|-2\b)",
        r"caught (?:signal )?sigterm", r"(?:stopped|aborted) by (?:the )?user",
        stems="keyboardinterrupt|sig|cancelled|received|terminated|143|130|-15|-2|by user|by the user",
    ),
    # A loss printed as NaN, or a bare word of the shell: they speak where nothing else does.
    rule(
        "segfault", _CODE, r"\bcore dumped\b", r"\bstatus=6/ABRT|result 'core-dump'", r"^aborted\b",
        r"\bSIGABRT\b|\bsignal 6\b",
        stems="core dumped|abrt|core-dump|aborted|sigabrt|signal 6", symptom=True,
    ),
    rule(
        "nan_loss", _CODE,
        r"\b(?:ppl|perplexity|[lr]?mse|rmse|mae|l[12]|logloss|learn|test|grad[_ ]norm)['\"]?[ \t]*[=:][ \t]*nan\b",
        r"\b\w{0,40}loss\w{0,40}['\"]?[ \t]*(?:=|:|is|->|\|)?[ \t]*['\"]?[-+]?(?:nan|inf)\b",
        stems="nan|inf", symptom=True,
    ),
    rule(
        "oom_killer", _INFRA,
        r"(?:^|zsh: |:\s+(?:line )?\d+:?\s+|\]\s+\d+\s+|\]\+?\s+)killed(?:\s|$)", rf"{_EXIT}(?:\b137\b|-9\b)",
        r"\bSIGKILL\b",
        r"\bsignal 9\b", r"\b0:125\b", r"\bstatus=9/KILL",
        stems="killed|137|-9|sigkill|signal 9|0:125", symptom=True,
    ),
    # What is left of a process that said nothing else.
    rule("segfault", _CODE, rf"{_EXIT}(?:\b134\b|-6\b)", stems="134|-6", symptom=True),
    rule(
        "div_zero", _CODE, rf"{_EXIT}(?:\b136\b|-8\b|\b8/FPE)", r"\bsignal 8\b", stems="136|-8|signal 8|8/fpe",
        symptom=True,
    ),
    rule("missing_module", _CODE, rf"{_EXIT}\b127\b", stems="127", symptom=True),
    rule("permission", _INFRA, rf"{_EXIT}\b126\b", stems="126", symptom=True),
    # The checks of these libraries raise a runtime error, in C++ as in Python: they are no assertions of the job's.
    rule(
        "runtime_error", _CODE,
        r"\b(?:XGBoostError|MXNetError|DGLError|TVMError|TVMFFIError|LightGBMError|RuntimeError|dmlc::Error)\b"
        r"[^\n]*(?:check failed|assertion)",
        stems="check failed|assertion",
    ),
    rule(
        "assertion", _CODE,
        r"\bAssertionError\b", r"^FAILED [^\n]+ - assert\b", r"\bin stopifnot\(",
        r"\bassertion\b[^\n]{1,200}\bfailed\b", r"\bassertion failed\b", r"\bcheck failed:",
        stems="assertion|check failed|- assert|stopifnot",
    ),
    rule(
        "traceback", _USER,
        r"^[\w./-]+: error: (?:unrecognized arguments|argument |the following arguments are required|ambiguous option)",
        r"^Error in [^\n]{1,200}[:)] ?$", r"^Error in [\w.]+\([^\n]*\) ?: ", r"^Execution halted$",  # R
        stems=": error: |error in |execution halted",
    ),
    # What an operation of TensorFlow or XLA cannot do, it says only when it runs.
    rule(
        "runtime_error", _CODE,
        r"errors(?:_impl)?\.(?:InvalidArgument|Internal|Unimplemented|FailedPrecondition|OutOfRange|Aborted|Unknown"
        r"|Cancelled|NotFound)Error\b",
        r"^(?:InvalidArgument|FailedPrecondition|Unimplemented|OutOfRange)Error\b",
        r"\b(?:Xla|Jax|Torch)RuntimeError\b", r"\bRuntimeException\b", r"\bNon-OK-status:",
        stems="errors|non-ok-status|runtimeerror|runtimeexception|argumenterror|preconditionerror"
              "|unimplementederror|rangeerror",
    ),
    # An exception of C++ that nobody caught; what aborts after it is its consequence.
    rule(
        "runtime_error", _CODE,
        r"terminate called after throwing an instance", r"terminating (?:due to|with) uncaught exception",
        stems="terminat",
    ),
    rule("runtime_error", _CODE, r"(?:^|[^\w.]|\b(?:builtins|std)[.:]+)(?:RuntimeError|runtime_error)\b",
         stems="runtimeerror|runtime_error"),
)
