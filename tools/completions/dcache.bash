# SPDX-License-Identifier: Apache-2.0
# bash completion for dcache(1). It needs no bash-completion, and runs nothing that is on the command line.

# A row a verb: its name | its arguments, by place | its options. Of an option that takes a value, the kind of the
# value follows "=". Kinds:
#   key lock tag    names from the cache
#   dir file        paths
#   verb            a verb
#   a/b/c           one of these words
#   a,b,c           some of these words, with commas between
#   text            anything: nothing is offered
# "..." repeats the kind before it; after "--" a command follows.
_dcache_verbs=(
  '|verb|--dir=dir --json --plain -q --quiet --color=auto/always/never --timeout=text --allow-shared --allow-network -h --help --version'
  'get|key|'
  'set|key text|-t=tag --tag=tag -e=text --expire=text'
  'add|key text|-t=tag --tag=tag -e=text --expire=text'
  'pop|key|'
  'delete|key ...|'
  'touch|key|-e=text --expire=text'
  'incr|key text|-i=text --initial=text -t=tag --tag=tag -e=text --expire=text'
  'ls|key|-t=tag --tag=tag -a --any -s=inserted/key/stored/size/expires --sort=inserted/key/stored/size/expires -r --reverse -l --long'
  'entry|key|'
  'tags||'
  'stats||'
  'config|size_limit/policy/shards text|'
  'evict|tag ...|-a --all'
  'expire||'
  'cull||'
  'clear||-y --yes'
  'push|text text|-f --front -t=tag --tag=tag -e=text --expire=text'
  'pull|text|-b --back -w=text --wait=text --lease=text'
  'peek|text|-b --back'
  'ack|text text|'
  'nack|text text|'
  'check||--fix'
  'backup|file|-f --force'
  'restore|file|'
  'export|file|-p=key --prefix=key -t=tag --tag=tag -a --any -f --force'
  'import|file|-k --if-absent -t=tag --add-tag=tag --from=text'
  'compact||'
  'doctor||'
  'bench||--seconds=text'
  'memo|-- ...|-e=text --expire=text -t=tag --tag=tag --key=key --stale-ok=text'
  'once|text -- ...|--per=text -w=text --wait=text'
  'throttle|text -- ...|--count=text --per=text -n --nonblock -w=text --wait=text'
  'lock run|lock -- ...|-s --shared -x --exclusive --permits=text -n --nonblock -w=text --wait=text -E=text --conflict-exit-code=text --fair --lease=text --label=text -t=tag --tag=tag -v --verbose -c=text --command=text -o --close -F --no-fork --kill-after=text'
  'lock ls|lock|-k=text --key=text -t=tag --tag=tag -s --stale --waiters -o=key,kind,mode,state,owner,pid,tid,command,since,age,lease,fence,count,waiting,label,tags,session,agent --columns=key,kind,mode,state,owner,pid,tid,command,since,age,lease,fence,count,waiting,label,tags,session,agent --watch'
  'lock show|lock|'
  'lock test|lock|'
  'lock wait|lock|-w=text --wait=text'
  'lock acquire|lock|-s --shared -x --exclusive --permits=text -n --nonblock -w=text --wait=text -E=text --conflict-exit-code=text --fair --lease=text --label=text -t=tag --tag=tag -v --verbose'
  'lock renew|lock|--token=text --lease=text'
  'lock release|lock|--token=text'
  'lock log|lock|-f --follow'
  'lock clear|lock|--fence=text --force -s --stale -t=tag --tag=tag -a --all -y --yes --dry-run'
  'locks|lock|-k=text --key=text -t=tag --tag=tag -s --stale --waiters -o=key,kind,mode,state,owner,pid,tid,command,since,age,lease,fence,count,waiting,label,tags,session,agent --columns=key,kind,mode,state,owner,pid,tid,command,since,age,lease,fence,count,waiting,label,tags,session,agent --watch'
  'help|verb|'
)

# Sets `arguments` and `options` to those of a verb; fails if there is none of this name.
_dcache_row() {
  local row
  for row in "${_dcache_verbs[@]}"; do
    if [[ ${row%%|*} == "$1" ]]; then
      row=${row#*|}
      read -ra arguments <<<"${row%%|*}"
      read -ra options <<<"${row#*|}"
      return 0
    fi
  done
  return 1
}

# Sets `kind` to that of the value of option $1, or to nothing if it takes none.
_dcache_kind_of_option() {
  local option
  kind=
  for option in "${globals[@]}" "${options[@]}"; do
    if [[ $option == "$1="* ]]; then
      kind=${option#*=}
    fi
  done
}

# Sets `plain` to what the word $1 stands for, and `quote` to the quote that is still open at its end. Fails if
# only the shell itself could tell: nothing is expanded here.
_dcache_dequote() {
  local text=$1 c
  plain= quote=
  if [[ $text == '~/'* ]]; then
    plain=$HOME/ text=${text:2}
  fi
  while [[ -n $text ]]; do
    c=${text:0:1} text=${text:1}
    case $quote$c in
      \\ | '"\') plain+=${text:0:1} text=${text:1} ;;
      "'" | '"') quote=$c ;;
      "''" | '""') quote= ;;
      \$ | \` | '"$' | '"`') return 1 ;;
      *) plain+=$c ;;
    esac
  done
}

# Prints the names of kind $1 that begin with $2, 200 at most. One with characters that do not belong on a terminal
# is shown by dcache with a backslash, and is left out.
_dcache_names() {
  case $1 in
    key) timeout 2 dcache "${where[@]}" --plain ls -- "$2" ;;
    tag) timeout 2 dcache "${where[@]}" --plain tags ;;
    lock) timeout 2 dcache "${where[@]}" --plain locks -o key -- "$2" | uniq ;;
  esac </dev/null 2>/dev/null | cut -f 1 | sed -n '/\\/d; /./p' | head -n 200
}

# Adds the candidate $1, written so that the shell reads it as one word, if it begins with what was typed.
_dcache_offer() {
  local word=$1
  [[ $word == "$plain"* ]] || return 0
  case $quote in
    "'") [[ $word != *\'* ]] || return 0 ;;
    '"')
      # readline adds no quote after a quote.
      [[ $word != *!* && $word != *\" ]] || return 0
      word=${word//\\/\\\\} word=${word//\"/\\\"} word=${word//\$/\\\$} word=${word//\`/\\\`}
      ;;
    *)
      printf -v word %q "$word"
      # readline begins a new word after each of COMP_WORDBREAKS, and replaces only the last.
      [[ $word == "$before"* ]] || return 0
      word=${word#"$before"}
      ;;
  esac
  COMPREPLY+=("$word")
}

_dcache_offer_kind() {
  local name previous=
  case $1 in
    key | tag | lock)
      while IFS= read -r name; do
        _dcache_offer "$name"
      done < <(_dcache_names "$1" "$plain")
      ;;
    verb)
      for name in "${_dcache_verbs[@]}"; do
        name=${name%%|*}
        if [[ -z $verb ]]; then
          name=${name%% *}
        elif [[ $name == "$verb "* ]]; then
          name=${name#"$verb "}
        else
          continue
        fi
        # The verbs of a family stand together.
        if [[ -n $name && $name != "$previous" ]]; then
          _dcache_offer "$name"
        fi
        previous=$name
      done
      ;;
    --) _dcache_offer -- ;;
    dir) compopt -o dirnames 2>/dev/null ;;
    file) compopt -o default 2>/dev/null ;;
    *,*)
      local -a all
      IFS=, read -ra all <<<"$1"
      before=
      [[ $plain != *[,+]* ]] || before=${plain%"${plain##*[,+]}"}
      for name in "${all[@]}"; do
        [[ $before$name != "$plain"* ]] || COMPREPLY+=("$before$name")
      done
      compopt -o nospace 2>/dev/null
      ;;
    */*)
      local -a all
      IFS=/ read -ra all <<<"$1"
      for name in "${all[@]}"; do
        _dcache_offer "$name"
      done
      ;;
  esac
}

# A command and its arguments, from word $1 on.
_dcache_offer_command() {
  local name
  if (($1 < ${#words[@]} - 1)); then
    compopt -o default 2>/dev/null
    return
  fi
  while IFS= read -r name; do
    _dcache_offer "$name"
  done < <(compgen -c -- "$plain" | sort -u | head -n 2000)
  compopt -o default 2>/dev/null
}

_dcache() {
  local -a words=() where=() globals=() arguments=() options=()
  local line=${COMP_LINE:0:COMP_POINT} verb= kind= plain= quote= before= ended= word part
  local -i i place=0
  COMPREPLY=()

  # The words up to the cursor; bash has split them at each of COMP_WORDBREAKS as well.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    if ((i == 0)) || [[ $line == [[:blank:]]* ]]; then
      words+=('')
      line=${line#"${line%%[![:blank:]]*}"}
    fi
    part=${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || part=$line
    words[-1]+=$part
    line=${line#"$part"}
  done

  _dcache_row ''
  globals=("${options[@]}")
  options=()
  local -i last=$((${#words[@]} - 1))
  for ((i = 1; i < last; i++)); do
    word=${words[i]}
    if [[ -n $kind ]]; then # it is the value of the option before
      if [[ ${words[i - 1]} == --dir ]]; then
        _dcache_dequote "$word" || return 0
        where+=(--dir "$plain")
      fi
      kind=
    elif [[ $word == -- && -z $ended ]]; then
      ended=1
      if [[ ${arguments[place]-} == -- ]]; then
        _dcache_dequote "${words[last]}" && _dcache_offer_command $((i + 1))
        return 0
      fi
    elif [[ $word == -- && ${arguments[place]-} == -- ]]; then # lock run -- KEY -- COMMAND
      _dcache_dequote "${words[last]}" && _dcache_offer_command $((i + 1))
      return 0
    elif [[ $word == -?* && -z $ended ]]; then
      _dcache_kind_of_option "$word"
      case $word in
        --dir=*)
          _dcache_dequote "${word#--dir=}" || return 0
          where+=(--dir "$plain")
          ;;
        --allow-shared | --allow-network) where+=("$word") ;;
      esac
    elif [[ $word == help && -z $verb ]]; then
      continue
    elif ! _dcache_row "$verb" || [[ -z $verb ]]; then
      # The first word of a verb, or the second of a family's.
      verb+=${verb:+ }$word
      _dcache_row "$verb" || options=() arguments=(verb)
    else
      place+=1
    fi
  done

  word=${words[last]}
  if [[ -z $kind && -z $ended && $word == --*=* ]]; then
    _dcache_kind_of_option "${word%%=*}"
    word=${word#*=}
    [[ -n $kind ]] || return 0
  fi
  _dcache_dequote "$word" || return 0
  if [[ -z $quote ]]; then
    # Quotes in the middle of a word, and what readline takes for its beginning then, are not worth the trouble.
    [[ $word != *[\'\"]* ]] || return 0
    before=${word%"$2"}
  fi
  if [[ -n $kind ]]; then
    _dcache_offer_kind "$kind"
  elif [[ $word == -* && -z $ended ]]; then
    for part in "${globals[@]}" "${options[@]}"; do
      _dcache_offer "${part%%=*}"
    done
  else
    if [[ -z $verb ]]; then
      arguments=(verb)
    elif [[ ${arguments[*]} == *... && place -gt ${#arguments[@]}-2 ]]; then
      place=${#arguments[@]}-2
    fi
    _dcache_offer_kind "${arguments[place]-}"
  fi
}

complete -F _dcache dcache
