import Gateway

/// What `pushgate --help` says. The examples are executed by the tests.
enum Help {
    static let version = "\(Product.name) \(Product.version)"

    static func text(_ topic: String?) -> String {
        switch topic {
        case "serve", "stdio", "options": options
        default: overview
        }
    }

    private static let overview = """
        pushgate: puts your users' data into other people's systems, as often as it should be there.

        It speaks newline-delimited JSON-RPC 2.0 on a Unix socket or on standard input and output.

          pushgate serve [--listen unix:PATH] [--store FILE]   a gateway on a socket
          pushgate stdio [--store FILE] [--wait]               a gateway for the process that started it
          pushgate call METHOD [JSON] [--socket PATH]          one call from the shell; "-" reads the JSON from stdin
          pushgate explain TRANSFER [INDEX|INTERNAL_ID] [--socket PATH] [--json]
                                                               what became of a record, and why
          pushgate providers list | show NAME | check FILE     what providers there are; a manifest; what one would send
          pushgate webhooks list | replay [DELIVERY]           what became of webhooks; made again, one or those that
                                                               failed: --session ID, --transfer ID, --state STATE
          pushgate demo [--keep]                               the main job, shown on the embedded provider
          pushgate help serve                                  all options of serve and stdio
          pushgate --version

        Examples

          pushgate serve --listen unix:/run/pushgate/gate.sock --store /var/lib/pushgate/store.db
          pushgate call ping
          pushgate call initiateSession '{"provider":"local","name":"crm","schema":[{"endgrate_type":"crm-contact"}]}'
          pushgate call rpc.discover
          pushgate providers check my-crm.json
          printf '{"jsonrpc":"2.0","id":1,"method":"ping"}\\n' | pushgate stdio

        Exit codes

          0   done                               70  a fault of the gateway
          1   the gateway answered with an error 74  the store cannot be written: the disk is full or broken
          64  the command line is wrong          75  the store or the socket is held by another gateway; or no answer in time
          65  the store is damaged               78  the configuration is wrong, or the store is of a newer version
          69  no gateway answers

        """

    private static let options = """
        Options of pushgate serve and pushgate stdio

          --listen unix:PATH[?mode=0660&group=NAME]   repeatable; mode 0600 unless said. fd:NAME takes a socket over from
                                                      the service manager. Default: $XDG_RUNTIME_DIR/pushgate.sock
          --store FILE            default: $XDG_STATE_HOME/pushgate/store.db
          --key-file FILE         what is sealed in the store is sealed under this key: 64 hexadecimal digits, mode 0600.
                                  Default: FILE.key beside the store, made at the first start; keep a copy of it
          --providers DIR         a folder of manifests, NAME.json each, of further providers, or of known ones in place
                                  of what is built in; pushgate providers check FILE tells what is wrong with one
          --provider-origin NAME=URL
                                  where a provider is, if not where its manifest says; http: only here; repeatable
          --provider-allow ADDRESS[/BITS]
                                  providers may also be at these addresses, which are not public; repeatable
          --credential NAME=env:VAR | NAME=file:PATH | NAME=systemd:NAME
                                  a token that sessions may name as credentials without ever seeing it; repeatable. A
                                  variable is taken at the start and wiped; a file is read whenever it is needed, and
                                  others must not be able to read it
          --local DIR             files of the embedded provider; default: local/ beside the store
          --allow-uid ID          lets another user in; repeatable. Default: root and the user it runs as
          --allow-gid ID          lets a group in, also as a supplementary group; repeatable
          --token-file FILE       asks each connection for the token in this file (mode 0600), given with hello
          --provider-probe 10s    how often an account that is paused is asked whether it answers again; six times as long
                                  for one whose --credential is not accepted
          --drain 30s             how long a stop may take (1500ms with stdio)
          --log info              debug, info, warning or error; JSON lines on stderr (warning with stdio)
          --keep-transfers 30d    how long a completed transfer and its results are kept; never shorter than its events
          --keep-events 7d        how long events are kept; with a size, such as 256M, how large their log may grow.
                                  May be given twice, for both
          --webhook-allow CIDR    lets webhooks go to addresses that are not public, such as 127.0.0.0/8, and there also
                                  without TLS; repeatable
          --webhook-retries LIST  waits between the attempts of a webhook. Default: 5s,5m,30m,2h,5h,10h,10h
          --wait                  stdio: at the end of input, run accepted transfers to their end, and call their webhooks
          --socket PATH           stdio: where a gateway that holds the store listens, if not beside the store

        Ceilings (sizes take K, M, G; durations ms, s, m, h, d)

          --max-connections 1024            --max-line 16M             --stall-time 30s
          --max-connections-per-user 512    --max-depth 128            --line-time 10s
          --max-subscriptions 64            --max-batch 100            --synchronous-time 300s
          --max-in-flight 256               --max-reply-line 1000000   --inbound-memory 48M
          --event-pause 64K                 --max-event-payload 48K    --outbound-memory 24M
          --reply-pause 8M                  --min-free-space 64M       --parts-time 24h
          --max-endpoint-deliveries 1000

        """
}
