"""What holds for the replicas of every deployment."""

CPU_SHARE = 0.1  # what each books with the scheduler: two cores have to hold them all
HEALTH_CHECK_PERIOD_S = 2.0  # so soon a dead one is found and replaced; Ray looks each 10 s
