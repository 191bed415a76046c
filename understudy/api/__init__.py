"""The API server as a client sees it: transports, typed requests, watches, discovery, kubeconfigs."""
