// Made by messages/generate.ts from messages/*.md.
export const MESSAGES = {
  LOAD_ERR_FILE_READ: {"severity":"error","title":"File read error","description":"File read error","remedy":"Check the path and the permissions of the file."},
  LOAD_ERR_YAML_PARSE: {"severity":"error","title":"YAML parse error","description":"YAML parse error","remedy":"Mend the syntax at that place; most often it is an indentation, an unclosed quote or a tab."},
  LOAD_ERR_YAML_VALIDATE: {"severity":"error","title":"Error validating internal structure of YAML file","description":"Error validating internal structure of YAML file","remedy":"Give the item the key, and the key a value of the right kind."},
  LOAD_ERR_COMPILE_CONDITION: {"severity":"error","title":"Error compiling condition","description":"Error compiling condition","remedy":"Correct the condition at the marked place."},
  LOAD_ERR_COMPILE_OUTPUT: {"severity":"error","title":"Error compiling output","description":"Error compiling output","remedy":"Correct the field after the % sign; a field that may be missing in some set-up belongs in a rule with `skip-if-unknown-filter: true`."},
  LOAD_ERR_VALIDATE: {"severity":"error","title":"Error validating rule/macro/list/exception objects","description":"Error validating rule/macro/list/exception objects","remedy":"Define what is referred to, earlier than it is used."},
  LOAD_ERR_EXTENSION: {"severity":"error","title":"Error in extension item","description":"Error in extension item","remedy":"Correct the item."},
  LOAD_UNKNOWN_SOURCE: {"severity":"warning","title":"Unknown event source","description":"A rule has a unknown event source. This can occur when reading rules content without having a corresponding plugin loaded, etc. The rule will be silently ignored.","remedy":"Load the plugin that provides the source, or leave the rule out."},
  LOAD_UNSAFE_NA_CHECK: {"severity":"warning","title":"Unsafe <NA> comparison in condition","description":"Comparing a field value with <NA> is unsafe and can lead to unpredictable behavior of the rule condition. If you need to check for the existence of a field, consider using the 'exists' operator instead.","remedy":"Write `not field exists` or `field exists`."},
  LOAD_NO_EVTTYPE: {"severity":"warning","title":"Condition has no event-type restriction","description":"A rule condition matches too many evt.type values. This has a significant performance penalty. Make the condition more specific by adding an evt.type field or further restricting the number of evt.type values in the condition.","remedy":"Add `evt.type in (…)` to the condition, or `warn_evttypes: false` when it is meant."},
  LOAD_UNKNOWN_FILTER: {"severity":"warning","title":"Unknown field or event-type in condition or output","description":"A rule condition or output refers to a field or evt.type that does not exist. This is normally an error, but if a rule has a skip-if-unknown-filter property, the error is downgraded to a warning.","remedy":"Load the plugin that provides the field when the rule is wanted."},
  LOAD_UNUSED_MACRO: {"severity":"warning","title":"Unused macro","description":"A macro is defined in the rules content but is not used by any other macro or rule.","remedy":"Remove it, or use it."},
  LOAD_UNUSED_LIST: {"severity":"warning","title":"Unused list","description":"A list is defined in the rules content but is not used by any other list, macro, or rule.","remedy":"Remove it, or use it."},
  LOAD_UNKNOWN_ITEM: {"severity":"warning","title":"Unknown rules file item","description":"An unknown top-level object is in the rules content. It will be ignored.","remedy":"Correct the first key of the item."},
  LOAD_DEPRECATED_ITEM: {"severity":"warning","title":"Used deprecated item","description":"A deprecated item is employed by lists, macros, or rules.","remedy":"Use what the message names instead."},
  LOAD_WARNING_EXTENSION: {"severity":"warning","title":"Warning in extension item","description":"An extension item is employed by lists, macros, or rules with a warning.","remedy":"Look at the item."},
  LOAD_APPEND_NO_VALUES: {"severity":"warning","title":"Overriding/appending with no values","description":"A rule exception is overriding/appending with no values","remedy":"Give it `values`."},
  LOAD_EXCEPTION_NAME_NOT_UNIQUE: {"severity":"warning","title":"Multiple exceptions defined with the same name","description":"A rule is defining multiple exceptions with the same name","remedy":"Rename one of the exceptions."},
  LOAD_INVALID_MACRO_NAME: {"severity":"warning","title":"Invalid macro name","description":"A macro is defined with an invalid name","remedy":"Use letters, digits and underscores, a letter first."},
  LOAD_INVALID_LIST_NAME: {"severity":"warning","title":"Invalid list name","description":"A list is defined with an invalid name","remedy":"Use a name without them."},
  LOAD_COMPILE_CONDITION: {"severity":"warning","title":"Warning in rule condition","description":"A rule condition or output have been parsed with a warning","remedy":"Follow the message."},
  LOAD_UNKNOWN_KEY: {"severity":"warning","title":"Unknown key","description":"An item in the rules content contains an unrecognized key. The key will be ignored. This may indicate a typo or a property placed on the wrong item type.","remedy":"Correct the key or remove it."},
} as const;

export type Code = keyof typeof MESSAGES;
