"""What several controllers share: facts about Pods, adoption, the replica engine. They never import each other."""
