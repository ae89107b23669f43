# SPDX-License-Identifier: Apache-2.0
# fish completion for dcache(1). It runs nothing that is on the command line.

# The words after "dcache" that are neither options nor their values, up to the first "--".
function __dcache_words
    set -l skip 0
    set -l seen
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --
                break
            case --dir --timeout --color -t --tag -e --expire -i --initial -w --wait -E --conflict-exit-code -c --command --lease --label --fence --kill-after --token --key --columns --permits --sort -p --prefix --add-tag --from --seconds --per --count --stale-ok
                set skip 1
            case -f -k -o -s
                # Flags of other verbs.
                string match -qr '^(import .*-f|(locks|lock ls) .*-[ko]|ls .*-s)$' -- "$seen $word"; and set skip 1
            case '-*' help
            case '*'
                set -a seen $word
                echo -- $word
        end
    end
end

# Whether the verb on the command line is one of these.
function __dcache_verb
    set -l words (__dcache_words)
    contains -- "$words[1]" $argv; or contains -- "$words[1..2]" $argv
end

# Whether no verb is there yet, or only the first word of one: $argv.
function __dcache_no_verb
    set -l words (__dcache_words)
    test "$words" = "$argv"
end

# Whether the argument at the cursor is the first one of one of these verbs.
function __dcache_first
    __dcache_verb $argv; and test (count (__dcache_words)) = (count (string split ' ' -- $argv[1]))
end

# Whether the cursor is behind the "--" before a command.
function __dcache_command
    __dcache_verb memo once throttle 'lock run'; and contains -- -- (commandline -opc)
end

function __dcache_complete_command
    set -l words (commandline -opc)
    set -l before (contains -i -- -- $words)
    set -e words[1..$before]
    complete -C (string join -- ' ' (string escape -- $words) (commandline -ct))
end

# Prints the names of a kind (key, lock, tag) that the cache holds, 200 at most. One with characters that do not
# belong on a terminal is shown by dcache with a backslash, and is left out; and so is one that fish would take for
# a home directory.
function __dcache_names
    set -l where
    set -l words (commandline -opc)[2..]
    for i in (seq (count $words))
        set -l directory
        switch $words[$i]
            case --
                break
            case --dir
                set directory $words[(math $i + 1)]
            case '--dir=*'
                set directory (string replace -- --dir= '' $words[$i])
            case --allow-shared --allow-network
                set -a where $words[$i]
                continue
            case '*'
                continue
        end
        # What only the shell could expand is left alone.
        if string match -qr '[$(]' -- $directory
            return
        end
        set -a where --dir (string replace -r '^~/' -- $HOME/ $directory)
    end
    switch $argv[1]
        case key
            timeout 2 dcache $where --plain ls -- (commandline -ct | string unescape)
        case tag
            timeout 2 dcache $where --plain tags
        case lock
            timeout 2 dcache $where --plain locks -o key -- (commandline -ct | string unescape) | uniq
    end </dev/null 2>/dev/null | cut -f 1 | string match -rv '^~|\\\\' | head -n 200
end

function __dcache_columns
    # A list that begins with + adds to the usual columns.
    set -l plus ''
    string match -qr '^\+[^,]*$' -- (commandline -ct); and set plus +
    printf '%s\n' $plus{key,kind,mode,state,owner,pid,tid,command,since,age,lease,fence,count,waiting,label,tags,session,agent}
end

complete -c dcache -f

complete -c dcache -l dir -x -a '(__fish_complete_directories)' -d 'The cache\'s directory'
complete -c dcache -l json -d 'Machine-readable output'
complete -c dcache -l plain -d 'Output for scripts, with tabs'
complete -c dcache -l color -x -a 'auto always never' -d Colors
complete -c dcache -s q -l quiet -d 'Only data and errors'
complete -c dcache -l timeout -x -d 'Longest wait for other writers'
complete -c dcache -l allow-shared -d 'Accept a directory that others own or can write'
complete -c dcache -l allow-network -d 'Accept a network file system'
complete -c dcache -s h -l help -d 'Show the help'
complete -c dcache -l version -d 'Show the version'

complete -c dcache -n __dcache_no_verb -a get -d 'Print the value of a key'
complete -c dcache -n __dcache_no_verb -a set -d 'Store a value'
complete -c dcache -n __dcache_no_verb -a add -d 'Store a value unless the key is there'
complete -c dcache -n __dcache_no_verb -a pop -d 'Print the value of a key and remove it'
complete -c dcache -n __dcache_no_verb -a delete -d 'Remove keys'
complete -c dcache -n __dcache_no_verb -a touch -d 'Give a key another expiry'
complete -c dcache -n __dcache_no_verb -a incr -d 'Add to a number'
complete -c dcache -n __dcache_no_verb -a ls -d 'List the entries'
complete -c dcache -n __dcache_no_verb -a entry -d 'Show all that is known about a key'
complete -c dcache -n __dcache_no_verb -a tags -d 'List the tags in use'
complete -c dcache -n __dcache_no_verb -a stats -d 'Show the numbers of the cache'
complete -c dcache -n __dcache_no_verb -a config -d 'Show and change the stored settings'
complete -c dcache -n __dcache_no_verb -a evict -d 'Remove the values that have a tag'
complete -c dcache -n __dcache_no_verb -a expire -d 'Remove the values whose time is over'
complete -c dcache -n __dcache_no_verb -a cull -d 'Remove values until the size limit is kept'
complete -c dcache -n __dcache_no_verb -a clear -d 'Remove all values'
complete -c dcache -n __dcache_no_verb -a push -d 'Put a value into a queue'
complete -c dcache -n __dcache_no_verb -a pull -d 'Take a value off a queue and print it'
complete -c dcache -n __dcache_no_verb -a peek -d 'Print the value that pull would take'
complete -c dcache -n __dcache_no_verb -a ack -d 'Remove an item on lease, as its work is done'
complete -c dcache -n __dcache_no_verb -a nack -d 'Give an item on lease back'
complete -c dcache -n __dcache_no_verb -a check -d 'Look for damage, and mend it'
complete -c dcache -n __dcache_no_verb -a backup -d 'Copy all values to one file'
complete -c dcache -n __dcache_no_verb -a restore -d 'Make a cache from a backup'
complete -c dcache -n __dcache_no_verb -a export -d 'Write entries as JSON Lines'
complete -c dcache -n __dcache_no_verb -a import -d 'Store entries from JSON Lines'
complete -c dcache -n __dcache_no_verb -a compact -d 'Give unused space back to the disk'
complete -c dcache -n __dcache_no_verb -a doctor -d 'Tell what is wrong or slow, and the mend'
complete -c dcache -n __dcache_no_verb -a bench -d 'Measure dcache on this disk beside raw SQLite'
complete -c dcache -n __dcache_no_verb -a memo -d 'Run a command, or show what it wrote before'
complete -c dcache -n __dcache_no_verb -a once -d 'Run a command unless it was done before'
complete -c dcache -n __dcache_no_verb -a throttle -d 'Run a command at most so often'
complete -c dcache -n __dcache_no_verb -a lock -d 'Run commands under locks, look at locks, clear them'
complete -c dcache -n __dcache_no_verb -a locks -d 'List the locks and who holds them'
complete -c dcache -n __dcache_no_verb -a help -d 'Tell more about a verb'

complete -c dcache -n '__dcache_no_verb lock' -a run -d 'Run a command while holding a lock'
complete -c dcache -n '__dcache_no_verb lock' -a ls -d 'List the locks and who holds them'
complete -c dcache -n '__dcache_no_verb lock' -a show -d 'Show who holds a lock and who waits for it'
complete -c dcache -n '__dcache_no_verb lock' -a test -d 'Tell whether a lock is held'
complete -c dcache -n '__dcache_no_verb lock' -a wait -d 'Wait until a lock is free'
complete -c dcache -n '__dcache_no_verb lock' -a acquire -d 'Take a lock, and keep it until it is released'
complete -c dcache -n '__dcache_no_verb lock' -a renew -d 'Begin the lease of such a lock anew'
complete -c dcache -n '__dcache_no_verb lock' -a release -d 'Give such a lock back'
complete -c dcache -n '__dcache_no_verb lock' -a log -d 'Show what happened to locks'
complete -c dcache -n '__dcache_no_verb lock' -a clear -d 'Remove a lock whose holder is gone'

# Arguments
complete -c dcache -n '__dcache_first get set add pop touch incr ls entry' -a '(__dcache_names key)'
complete -c dcache -n '__dcache_first config' -a 'size_limit policy shards'
complete -c dcache -n '__dcache_first backup restore export import' -F
complete -c dcache -n '__dcache_verb delete' -a '(__dcache_names key)'
complete -c dcache -n '__dcache_verb evict' -a '(__dcache_names tag)'
complete -c dcache -n '__dcache_first locks' -a '(__dcache_names lock)'
complete -c dcache -n '__dcache_first "lock run" "lock ls" "lock show" "lock test" "lock wait" "lock acquire" "lock renew" "lock release" "lock log" "lock clear"' -a '(__dcache_names lock)'
complete -c dcache -n __dcache_command -a '(__dcache_complete_command)'

# Options
complete -c dcache -n '__dcache_verb set add incr push ls export memo locks "lock run" "lock ls" "lock acquire" "lock clear"' -s t -l tag -x -a '(__dcache_names tag)' -d 'A tag'
complete -c dcache -n '__dcache_verb set add touch incr push memo' -s e -l expire -x -d 'Life from now'
complete -c dcache -n '__dcache_verb incr' -s i -l initial -x -d 'What a missing key starts from'
complete -c dcache -n '__dcache_verb ls export' -s a -l any -d 'Any of several tags will do'
complete -c dcache -n '__dcache_verb ls' -s s -l sort -x -a 'inserted key stored size expires' -d 'The order'
complete -c dcache -n '__dcache_verb ls' -s r -l reverse -d 'The last one first'
complete -c dcache -n '__dcache_verb ls' -s l -l long -d 'Size, age, time left, format and tags too'
complete -c dcache -n '__dcache_verb evict' -s a -l all -d 'Only values that have all of the tags'
complete -c dcache -n '__dcache_verb clear' -s y -l yes -d 'Do not ask'
complete -c dcache -n '__dcache_verb push' -s f -l front -d 'To be pulled next'
complete -c dcache -n '__dcache_verb pull peek' -s b -l back -d 'What was pushed last'
complete -c dcache -n '__dcache_verb check' -l fix -d 'Mend what can be mended'
complete -c dcache -n '__dcache_verb "lock run" "lock acquire"' -s s -l shared -d 'Together with others that ask for it shared'
complete -c dcache -n '__dcache_verb "lock run" "lock acquire"' -s x -l exclusive -d Alone
complete -c dcache -n '__dcache_verb backup export' -s f -l force -d 'Replace the file if it is there'
complete -c dcache -n '__dcache_verb export' -s p -l prefix -x -a '(__dcache_names key)' -d 'Only keys that begin with it'
complete -c dcache -n '__dcache_verb import' -s k -l if-absent -d 'Keep values of keys that are there'
complete -c dcache -n '__dcache_verb import' -s t -l add-tag -x -a '(__dcache_names tag)' -d 'A tag for each value'
complete -c dcache -n '__dcache_verb import' -l from -x -d 'Begin with this line'
complete -c dcache -n '__dcache_verb bench' -l seconds -x -d 'How long to measure'
complete -c dcache -n '__dcache_verb memo' -l key -x -a '(__dcache_names key)' -d 'Keep it under this key'
complete -c dcache -n '__dcache_verb memo' -l stale-ok -x -d 'Show it for so much longer while one runs it anew'
complete -c dcache -n '__dcache_verb once throttle' -l per -x -d 'In which time'
complete -c dcache -n '__dcache_verb throttle' -l count -x -d 'How often'
complete -c dcache -n '__dcache_verb "lock run" "lock acquire"' -l permits -x -d 'Together with others, at most so many'
complete -c dcache -n '__dcache_verb "lock run" "lock acquire"' -s v -l verbose -d 'Say how long it waited and what it got'
complete -c dcache -n '__dcache_verb throttle "lock run" "lock acquire"' -s n -l nonblock -d 'Give up at once if it would have to wait'
complete -c dcache -n '__dcache_verb once throttle pull "lock run" "lock acquire" "lock wait"' -s w -l wait -x -d 'Wait at most so long'
complete -c dcache -n '__dcache_verb "lock run" "lock acquire"' -s E -l conflict-exit-code -x -d 'Exit status when the lock was not to be had'
complete -c dcache -n '__dcache_verb "lock run"' -s c -l command -x -d 'Run this by /bin/sh -c'
complete -c dcache -n '__dcache_verb "lock run"' -s o -l close -d 'If dcache is killed the lock is free'
complete -c dcache -n '__dcache_verb "lock run"' -s F -l no-fork -d 'Become the command'
complete -c dcache -n '__dcache_verb "lock run"' -l kill-after -x -d 'From TERM to KILL when the lock is lost'
complete -c dcache -n '__dcache_verb "lock renew" "lock release"' -l token -x -d 'What lock acquire printed'
complete -c dcache -n '__dcache_verb "lock run" "lock acquire"' -l fair -d 'Overtake nobody who waits'
complete -c dcache -n '__dcache_verb pull "lock run" "lock acquire" "lock renew"' -l lease -x -d 'End the grant after this time'
complete -c dcache -n '__dcache_verb "lock run" "lock acquire"' -l label -x -d 'What locks shows beside the owner'
complete -c dcache -n '__dcache_verb locks "lock ls"' -s k -l key -x -d 'Only locks whose names match'
complete -c dcache -n '__dcache_verb locks "lock ls"' -s o -l columns -x -a '(__fish_complete_list , __dcache_columns)' -d 'These columns'
complete -c dcache -n '__dcache_verb locks "lock ls"' -l watch -d 'List anew every second'
complete -c dcache -n '__dcache_verb locks "lock ls" "lock clear"' -s s -l stale -d 'Only locks whose holders have all ended'
complete -c dcache -n '__dcache_verb locks "lock ls"' -l waiters -d 'A line for each who waits as well'
complete -c dcache -n '__dcache_verb "lock log"' -s f -l follow -d 'Go on with what comes'
complete -c dcache -n '__dcache_verb "lock clear"' -l fence -x -d 'Clear only the grant with this number'
complete -c dcache -n '__dcache_verb "lock clear"' -l force -d 'Clear it although its holder may be alive'
complete -c dcache -n '__dcache_verb "lock clear"' -s a -l all -d 'All locks'
complete -c dcache -n '__dcache_verb "lock clear"' -s y -l yes -d 'Do not ask'
complete -c dcache -n '__dcache_verb "lock clear"' -l dry-run -d 'Only say what would be cleared'
